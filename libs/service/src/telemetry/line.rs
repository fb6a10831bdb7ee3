//! A log line: one event, one line, and it names the saga, step and trace that are being handled, unless the
//! event says them itself.

use std::fmt::{self, Write};

use tracing::{Event, Subscriber};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::registry::LookupSpan;

use crate::config::LogFormat;

/// Lines of a format, with what is being handled.
pub(super) struct Lines<F> {
    pub(super) inner: F,
    pub(super) format: LogFormat,
}

impl<S, N, F> FormatEvent<S, N> for Lines<F>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
    F: FormatEvent<S, N>,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let mut line = String::new();
        self.inner.format_event(context, Writer::new(&mut line), event)?;
        let own = event.metadata().fields();
        let fields = handled().into_iter().filter(|(name, _)| own.field(name).is_none());
        writer.write_str(&finish(self.format, line.trim_end(), fields)?)
    }
}

/// What is being handled, by the names of its fields.
fn handled() -> Vec<(&'static str, String)> {
    let trace::Handled { saga, step, trace_id } = trace::handled();
    let saga = saga.map(|saga| ("saga", saga.to_string()));
    let step = step.map(|step| ("step", step));
    let trace_id = trace_id.map(|trace_id| ("trace_id", trace_id));
    [saga, step, trace_id].into_iter().flatten().collect()
}

fn finish(
    format: LogFormat,
    line: &str,
    fields: impl Iterator<Item = (&'static str, String)>,
) -> Result<String, fmt::Error> {
    let mut finished = match format {
        // An error's text may be of several lines.
        LogFormat::Text => line.replace('\n', "\\n"),
        LogFormat::Json => line.strip_suffix('}').unwrap_or(line).to_owned(),
    };
    for (name, value) in fields {
        match format {
            LogFormat::Text => write!(finished, " {name}={value:?}")?,
            LogFormat::Json => write!(finished, ",\"{name}\":{}", serde_json::Value::from(value))?,
        }
    }
    finished.push_str(if format == LogFormat::Json { "}\n" } else { "\n" });
    Ok(finished)
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::{Arc, Mutex};

    use serde_json::Value;
    use trace::About;
    use uuid::Uuid;

    use super::*;
    use crate::telemetry::subscriber;

    const TRACEPARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    #[derive(Clone, Default)]
    struct Written(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Written {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn logged(format: LogFormat, log: impl FnOnce()) -> String {
        logged_by("info", format, log)
    }

    fn logged_by(filter: &str, format: LogFormat, log: impl FnOnce()) -> String {
        let written = Written::default();
        let writer = written.clone();
        let lines = subscriber(filter, format, false, move || writer.clone()).unwrap();
        tracing::subscriber::with_default(lines, log);
        String::from_utf8(written.0.lock().unwrap().clone()).unwrap()
    }

    fn of_a_step(log: impl FnOnce()) {
        let saga = Some(Uuid::from_u128(7));
        let about = About { saga, step: Some("a \"step\""), traceparent: Some(TRACEPARENT), request: None };
        trace::handle(about, log);
    }

    #[test]
    fn a_json_line_names_saga_step_and_trace_of_what_is_handled() {
        let text = logged(LogFormat::Json, || {
            of_a_step(|| tracing::error!(number = 1, "one\ntwo"));
            tracing::error!("alone");
        });
        let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(lines[0]["message"], "one\ntwo");
        assert_eq!(lines[0]["saga"], "00000000-0000-0000-0000-000000000007");
        assert_eq!(lines[0]["step"], "a \"step\"");
        assert_eq!(lines[0]["trace_id"], "4bf92f3577b34da6a3ce929d0e0e4736");
        assert_eq!((&lines[1]["message"], &lines[1]["saga"]), (&Value::from("alone"), &Value::Null));
    }

    #[test]
    fn a_line_of_text_stays_one_line() {
        let text = logged(LogFormat::Text, || of_a_step(|| tracing::error!("one\ntwo")));
        let end = "one\\ntwo saga=\"00000000-0000-0000-0000-000000000007\" step=\"a \\\"step\\\"\" \
                   trace_id=\"4bf92f3577b34da6a3ce929d0e0e4736\"\n";
        assert!(text.ends_with(end), "{text}");
    }

    #[test]
    fn what_an_event_says_itself_is_not_said_twice() {
        let text = logged(LogFormat::Json, || of_a_step(|| tracing::error!(saga = "its own", "said")));
        assert_eq!(text.matches("\"saga\"").count(), 1, "{text}");
        assert_eq!(serde_json::from_str::<Value>(&text).unwrap()["saga"], "its own");
    }

    #[test]
    fn a_library_that_prints_messages_does_not_whoever_asks_for_it() {
        for filter in
            ["trace", "async_nats=trace", "info,async_nats::connection=trace,async_nats::jetstream=debug"]
        {
            let text = logged_by(filter, LogFormat::Text, || {
                tracing::trace!(target: "async_nats::connection", "a payload");
                tracing::debug!(target: "async_nats::jetstream::context", "a payload in base64");
                tracing::warn!(target: "async_nats", "slow");
            });
            assert!(!text.contains("a payload") && text.contains("slow"), "{filter}: {text}");
        }
        let text = logged_by("info,requests=debug", LogFormat::Text, || {
            tracing::debug!(target: "requests", "wanted");
            tracing::debug!(target: "sqlx", "not wanted");
        });
        assert!(text.contains("DEBUG requests: wanted") && !text.contains("not wanted"), "{text}");
    }

    #[test]
    fn what_a_library_says_of_every_try_is_said_once() {
        let text = logged(LogFormat::Text, || {
            for _ in 0..100 {
                tracing::error!(target: "async_nats::connector", "authorization violation");
                tracing::error!(target: "async_nats::connection", "another");
            }
        });
        assert_eq!(text.matches("authorization violation").count(), 1, "{text}");
        assert_eq!(text.matches("another").count(), 100, "others are said as often as they come");
    }

    #[test]
    fn a_filter_without_meaning_is_named_once_with_where_it_stands() {
        for filter in ["foo=bar", "[", "info,=,sqlx=loud"] {
            let error = subscriber(filter, LogFormat::Text, false, io::sink).err().expect(filter);
            assert!(std::error::Error::source(&error).is_none(), "{error}: nothing that would be told again");
            let said = error.to_string();
            assert!(said.starts_with(&format!("LOG (--log) is `{filter}`: ")), "{said}");
        }
    }
}
