//! An amount as people read it.

use crate::contact::Language;

/// Minor units as the language writes them: `1 234,50 ₽`, `1,234.50 USD`.
pub(crate) fn format(minor_units: i64, currency: &str, language: Language) -> String {
    let (group, point) = match language {
        // A space that does not break.
        Language::Ru => ('\u{a0}', ','),
        Language::En => (',', '.'),
    };
    let digits = fraction_digits(currency);
    let text = format!("{:0width$}", minor_units.unsigned_abs(), width = digits + 1);
    let (whole, fraction) = text.split_at(text.len() - digits);
    let sign = if minor_units < 0 { "-" } else { "" };
    let mut amount = format!("{sign}{}", grouped(whole, group));
    if digits > 0 {
        amount.push(point);
        amount.push_str(fraction);
    }
    format!("{amount}\u{a0}{}", if currency == "RUB" { "₽" } else { currency })
}

/// ISO 4217: two for nearly all.
fn fraction_digits(currency: &str) -> usize {
    match currency {
        "CLP" | "ISK" | "JPY" | "KRW" | "PYG" | "UGX" | "VND" | "XAF" | "XOF" | "XPF" => 0,
        "BHD" | "IQD" | "JOD" | "KWD" | "LYD" | "OMR" | "TND" => 3,
        _ => 2,
    }
}

fn grouped(digits: &str, separator: char) -> String {
    let mut text = String::with_capacity(digits.len() * 2);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(separator);
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn minor_units_become_what_people_read() {
        let ru = |amount, currency| format(amount, currency, Language::Ru).replace('\u{a0}', " ");
        let en = |amount, currency| format(amount, currency, Language::En).replace('\u{a0}', " ");
        assert_eq!(ru(123_456_750, "RUB"), "1 234 567,50 ₽");
        assert_eq!(ru(5, "RUB"), "0,05 ₽");
        assert_eq!(en(123_456_750, "USD"), "1,234,567.50 USD");
        assert_eq!(en(100, "EUR"), "1.00 EUR");
        assert_eq!(en(1_234, "JPY"), "1,234 JPY");
        assert_eq!(en(1_234, "KWD"), "1.234 KWD");
        assert_eq!(en(-1_234, "EUR"), "-12.34 EUR");
        assert_eq!(en(i64::MIN, "JPY"), "-9,223,372,036,854,775,808 JPY");
    }
}
