//! Checks where events go.

use super::super::raw_outputs::RawOutput;
use super::super::reader::{At, Field, Named, Read, Report, Reported};
use super::events::with_unit;
use super::intake::web;
use super::{Known, os_text, required};
use crate::event::{Class, Upshot};
use crate::name::{GATEWAY, ServiceName};
use crate::outputs::{
    BROKERS_MAX, Cluster, Destination, FILE_BYTES, FILE_BYTES_MAX, FILE_BYTES_MIN, FILES, FILES_MAX, Http, KAFKA,
    OUTPUTS_MAX, Only, Output, Stream, TOPIC_CHARS_MAX, parse_url,
};
use std::collections::BTreeMap;

pub(super) fn check(
    report: &mut Report<'_>,
    known: &Known,
    field: Field<Named<Read<RawOutput>>>,
) -> Result<BTreeMap<ServiceName, Output>, Reported> {
    let Some(named) = field.optional()? else { return Ok(BTreeMap::new()) };
    if named.value.len() > OUTPUTS_MAX {
        let problem = format!("{} outputs, more than {OUTPUTS_MAX}", named.value.len());
        return Err(report.refuse(&named.spot, problem, "each reads the store for itself; let one of them hand on"));
    }
    let mut all = Vec::new();
    for (name, body) in named.value {
        let name = ServiceName::parse(&name.value)
            .map_err(|e| report.refuse(&name.spot, format!("not a name: {}", e.why), "choose one such as `archive`"));
        let output = body.and_then(|at| one(report, known, at));
        all.push(name.and_then(|name| Ok((name, output?))));
    }
    all.into_iter().collect()
}

fn one(report: &mut Report<'_>, known: &Known, at: At<RawOutput>) -> Result<Output, Reported> {
    let At { value, spot } = at;
    let RawOutput {
        ndjson,
        otlp,
        elasticsearch,
        webhook,
        syslog,
        kafka,
        remote_write,
        topic,
        bytes,
        files,
        index,
        secret,
        authorization,
        roots,
        certificate,
        key,
        classes,
        outcomes,
        services,
    } = value;
    let ways = [&ndjson, &otlp, &elasticsearch, &webhook, &syslog, &remote_write];
    let to_kafka = !matches!(kafka, Field::Absent);
    if ways.iter().filter(|field| !matches!(field, Field::Absent)).count() + usize::from(to_kafka) != 1 {
        let way_out = "exactly one of `ndjson`, `otlp`, `elasticsearch`, `webhook`, `syslog`, `kafka` and `remote_write` says where to";
        return Err(report.refuse(&spot, "where to is said by none, or by several", way_out));
    }
    let is = |field: &Field<String>| !matches!(field, Field::Absent);
    let (to_file, to_search, to_hook, to_syslog) = (is(&ndjson), is(&elasticsearch), is(&webhook), is(&syslog));
    let of_events = matches!(remote_write, Field::Absent);
    let some = [&classes, &outcomes, &services].into_iter().find_map(Field::get).filter(|_| !of_events);
    if let Some(at) = some {
        return Err(report.refuse(&at.spot, "no events go to `remote_write`", "delete the line"));
    }
    let wrong = [
        unwanted(report, &bytes, to_file, "only `ndjson` has a size"),
        unwanted(report, &files, to_file, "only `ndjson` has files"),
        unwanted(report, &index, to_search, "only `elasticsearch` has an index"),
        unwanted(report, &secret, to_hook, "only `webhook` is signed"),
        unwanted(report, &roots, !to_file, "a file has no certificate"),
        unwanted(report, &certificate, !to_file, "a file asks for no certificate"),
        unwanted(report, &key, !to_file, "a file asks for no certificate"),
        unwanted(report, &topic, to_kafka, "only `kafka` has a topic"),
        unwanted(report, &authorization, !to_file && !to_syslog && !to_kafka, "only what speaks HTTP has it"),
    ];
    wrong.into_iter().collect::<Result<(), _>>()?;
    let text = |report: &mut Report<'_>, field: Field<String>| {
        field.optional().and_then(|at| at.map(|at| os_text(report, at)).transpose())
    };
    let only = Only {
        classes: words(report, classes, "class", Class::parse)?,
        outcomes: words(report, outcomes, "outcome", Upshot::parse)?,
        services: names(report, known, services)?,
    };
    let (roots, authorization) = (text(report, roots)?, text(report, authorization)?);
    let shown = web(report, &spot, certificate, key)?;
    let http = |report: &mut Report<'_>, field: Field<String>| -> Result<Http, Reported> {
        let at = required(report, field, &spot, "url", "")?;
        let (tls, url) = parse_url(&at.value, ("http", "https"), (80, 443))
            .map_err(|why| report.refuse_value(&at, why, "write it as `https://HOST:PORT/PATH`"))?;
        Ok(Http { tls, url, roots: roots.clone(), shown: shown.clone(), authorization: authorization.clone() })
    };
    let to = if to_file {
        let at = required(report, ndjson, &spot, "ndjson", "")?;
        let file = os_text(report, at)?;
        Destination::Ndjson { file, bytes: size(report, bytes)?, files: count(report, files)? }
    } else if to_search {
        let http = http(report, elasticsearch)?;
        Destination::Elasticsearch { http, index: index_of(report, index)? }
    } else if to_hook {
        let http = http(report, webhook)?;
        let secret = required(report, secret, &spot, "secret", "name a file with the secret, `whsec_…`")?;
        Destination::Webhook { http, secret: os_text(report, secret)? }
    } else if to_syslog {
        let at = required(report, syslog, &spot, "syslog", "")?;
        let (tls, url) = parse_url(&at.value, ("tcp", "tls"), (601, 6514))
            .map_err(|why| report.refuse_value(&at, why, "write it as `tls://HOST:PORT`"))?;
        Destination::Syslog(Stream { tls, host: url.host, port: url.port, roots, shown: shown.clone() })
    } else if to_kafka {
        let (tls, brokers) = brokers(report, KAFKA, kafka)?;
        Destination::Kafka(Cluster { tls, brokers, topic: topic_of(report, topic)?, roots, shown })
    } else if !of_events {
        Destination::RemoteWrite(http(report, remote_write)?)
    } else {
        Destination::Otlp(http(report, otlp)?)
    };
    Ok(Output { to, only })
}

/// All of them with TLS, or all on this machine. `built` says whether this build can send there.
fn brokers(
    report: &mut Report<'_>,
    built: bool,
    field: Field<Vec<Read<String>>>,
) -> Result<(bool, Vec<(String, u16)>), Reported> {
    let Some(at) = field.optional()? else { return Ok((false, Vec::new())) };
    if !built {
        let way_out =
            "build it with `cargo build --release --package bartizan-cli --features kafka`, or send to another place";
        return Err(report.refuse(&at.spot, "this `bartizan` was built without Kafka", way_out));
    }
    if at.value.is_empty() || at.value.len() > BROKERS_MAX {
        let problem = format!("{} brokers, not 1 to {BROKERS_MAX}", at.value.len());
        return Err(report.refuse(&at.spot, problem, "some of them are enough: each knows the others"));
    }
    let (mut all, mut with_tls) = (Vec::new(), None);
    for broker in at.value {
        let read = broker.and_then(|at| {
            let (tls, url) = parse_url(&at.value, ("tcp", "tls"), (9092, 9093))
                .map_err(|why| report.refuse_value(&at, why, "write it as `tls://HOST:PORT`"))?;
            if url.path != "/" {
                return Err(report.refuse_value(&at, "a broker has no path", "write it as `tls://HOST:PORT`"));
            }
            if *with_tls.get_or_insert(tls) != tls {
                return Err(report.refuse_value(
                    &at,
                    "some brokers with TLS and some without",
                    "write all as `tls://`",
                ));
            }
            Ok((url.host, url.port))
        });
        all.push(read);
    }
    Ok((with_tls.unwrap_or(true), all.into_iter().collect::<Result<_, _>>()?))
}

fn topic_of(report: &mut Report<'_>, field: Field<String>) -> Result<String, Reported> {
    let Some(at) = field.optional()? else { return Ok("bartizan".to_owned()) };
    let is_name = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
    let fits = (1..=TOPIC_CHARS_MAX).contains(&at.value.len()) && at.value.bytes().all(is_name);
    match fits && at.value != "." && at.value != ".." {
        true => Ok(at.value),
        false => Err(report.refuse_value(&at, "not a name of a topic", "letters, digits, `-`, `_` and `.`")),
    }
}

fn unwanted(report: &mut Report<'_>, field: &Field<String>, wanted: bool, problem: &str) -> Result<(), Reported> {
    match field {
        Field::Is(at) if !wanted => Err(report.refuse_value(at, problem, "delete the line")),
        Field::Bad(reported) => Err(*reported),
        _ => Ok(()),
    }
}

fn words<T>(
    report: &mut Report<'_>,
    field: Field<Vec<Read<String>>>,
    what: &str,
    parse: impl Fn(&str) -> Option<T>,
) -> Result<Vec<T>, Reported> {
    let Some(at) = field.optional()? else { return Ok(Vec::new()) };
    let mut all = Vec::new();
    for word in at.value {
        let read = word.and_then(|at| {
            parse(&at.value).ok_or_else(|| {
                report.refuse_value(&at, format!("no {what} of this name"), "see `bartizan events --help`")
            })
        });
        all.push(read);
    }
    all.into_iter().collect()
}

fn names(
    report: &mut Report<'_>,
    known: &Known,
    field: Field<Vec<Read<String>>>,
) -> Result<Vec<ServiceName>, Reported> {
    let Some(at) = field.optional()? else { return Ok(Vec::new()) };
    let mut all = Vec::new();
    for name in at.value {
        let read = name.and_then(|at| match at.value == GATEWAY {
            true => Ok(ServiceName::gateway()),
            false => known.resolve(report, &at, "declare it under services"),
        });
        all.push(read);
    }
    all.into_iter().collect()
}

fn size(report: &mut Report<'_>, field: Field<String>) -> Result<u64, Reported> {
    let Some(at) = field.optional()? else { return Ok(FILE_BYTES) };
    let read = with_unit(&at.value, &[("M", 1 << 20), ("G", 1 << 30)]);
    let read = read.filter(|bytes| (FILE_BYTES_MIN..=FILE_BYTES_MAX).contains(bytes));
    read.ok_or_else(|| report.refuse_value(&at, "not a size from 1M to 64G", "write it with its unit, such as `100M`"))
}

fn count(report: &mut Report<'_>, field: Field<String>) -> Result<u32, Reported> {
    let Some(at) = field.optional()? else { return Ok(FILES) };
    at.value
        .parse()
        .ok()
        .filter(|count| (1..=FILES_MAX).contains(count))
        .ok_or_else(|| report.refuse_value(&at, format!("not a number of files from 1 to {FILES_MAX}"), ""))
}

fn index_of(report: &mut Report<'_>, field: Field<String>) -> Result<String, Reported> {
    let Some(at) = field.optional()? else { return Ok("bartizan".to_owned()) };
    let is_name = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'-' | b'_' | b'.');
    let fits = (1..=255).contains(&at.value.len())
        && at.value.bytes().all(is_name)
        && at.value.as_bytes()[0].is_ascii_alphanumeric();
    match fits {
        true => Ok(at.value),
        false => {
            Err(report.refuse_value(&at, "not a name of an index", "lower-case letters, digits, `-`, `_` and `.`"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::reader::Spot;
    use super::*;

    /// Tests are built with Kafka, since its output is tested; so the other build is asked here.
    #[test]
    fn without_the_feature_a_cluster_is_refused_with_the_way_to_build_it() {
        let mut report = Report::new("fleet.yaml", "");
        let spot = Spot { key: "outputs.bus.kafka".to_owned(), ..Spot::default() };
        let broker = At { value: "tls://kafka.test".to_owned(), spot: spot.clone() };
        assert!(brokers(&mut report, false, Field::Is(At { value: vec![Ok(broker)], spot })).is_err());
        let refused = report.finish().unwrap_err().to_string();
        assert!(refused.contains("outputs.bus.kafka: this `bartizan` was built without Kafka"), "{refused}");
        assert!(refused.contains("cargo build --release --package bartizan-cli --features kafka"), "{refused}");
    }
}
