//! Russian.

use super::{Text, Words};

pub(super) const WORDS: Words = Words { greeting, welcome, confirmed, rejected, cancelled, sent, received };

fn greeting(name: Option<&str>) -> String {
    name.map_or_else(|| "Здравствуйте!".to_owned(), |name| format!("Здравствуйте, {name}!"))
}

fn welcome() -> Text {
    Text {
        subject: "Добро пожаловать в Rondo".to_owned(),
        body: "Ваш счёт готов. Пополните его и делайте заказы.".to_owned(),
    }
}

fn confirmed(order: &str, total: Option<&str>) -> Text {
    let paid = total.map_or_else(String::new, |total| format!(" С вашего счёта списано {total}."));
    Text {
        subject: "Ваш заказ подтверждён".to_owned(),
        body: format!("Хорошие новости: ваш заказ {order} подтверждён.{paid} Спасибо!"),
    }
}

fn rejected(order: &str, reason: Option<&str>) -> Text {
    let because = why(reason);
    Text {
        subject: "Ваш заказ не выполнен".to_owned(),
        body: format!(
            "К сожалению, мы не смогли выполнить ваш заказ {order}: {because}. С вашего счёта ничего не списано."
        ),
    }
}

fn cancelled(order: &str) -> Text {
    Text {
        subject: "Ваш заказ отменён".to_owned(),
        body: format!("Ваш заказ {order} отменён. Деньги за него снова в вашем распоряжении."),
    }
}

fn sent(order: &str) -> Text {
    Text {
        subject: "Ваш заказ в пути".to_owned(),
        body: format!("Ваш заказ {order} у курьера и уже едет к вам."),
    }
}

fn received(order: &str) -> Text {
    Text {
        subject: "Ваш заказ доставлен".to_owned(),
        body: format!("Ваш заказ {order} вручён. Спасибо, что выбрали нас!"),
    }
}

fn why(reason: Option<&str>) -> &'static str {
    match reason {
        Some("insufficient_funds") => "на вашем счёте недостаточно денег",
        Some("out_of_stock") => "чего-то из заказа нет на складе",
        Some("unknown_position") => "что-то из заказа больше не продаётся",
        Some("price_changed") => "цена за это время изменилась",
        Some("total_too_large") => "его сумма больше допустимой для одного заказа",
        Some("slot_taken") => "выбранное время доставки уже занято",
        Some("timed_out") => "его не удалось обработать вовремя",
        Some("cancelled") => "он был отменён",
        _ => "что-то пошло не так на нашей стороне",
    }
}
