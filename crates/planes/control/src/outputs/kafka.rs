//! A cluster of Kafka: asked where the topic is, then handed records, each partition by its leader.
//!
//! A batch counts once all replicas in sync have it. Whatever fails, everything of the request is sent again, so that a record may be there
//! twice and none is missing. All events of one service come to one partition, in their order.

use super::counts::Sent;
use super::wire::{Wire, dial, write};
use bartizan_core::outputs::{Cluster, is_here};
use bartizan_runtime::tls::WebClient;
use bartizan_telemetry::out::Outgoing;
use bartizan_telemetry::out::kafka::{self, ANSWER_BYTES_MAX, BATCH_BYTES, Fate, Record, Topic};
use std::collections::{BTreeMap, HashMap};
use tokio::io::AsyncReadExt;

type Broker = (String, u16);

/// The way to one topic.
pub(super) struct Producer {
    to: Cluster,
    tls: Option<WebClient>,
    found: Option<Topic>,
    open: HashMap<Broker, Box<dyn Wire>>,
    asked: i32,
}

/// Records for one request: of each partition as many as fit into a batch.
type Round<'a> = BTreeMap<usize, Vec<Record<'a>>>;

impl Producer {
    pub(super) fn new(to: Cluster, tls: Option<WebClient>) -> Self {
        Self { to, tls, found: None, open: HashMap::new(), asked: 0 }
    }

    /// Hands in `events`.
    ///
    /// # Errors
    /// Why they have to be sent again, by another producer.
    pub(super) async fn send(&mut self, events: &[Outgoing]) -> Result<Sent, String> {
        let topic = match self.found.take() {
            Some(topic) => topic,
            None => self.find().await?,
        };
        let values: Vec<String> = events.iter().map(|it| it.ocsf.to_string()).collect();
        let records = events.iter().zip(&values).map(|(it, value)| Record {
            key: it.event.service.as_ref().map_or("bartizan", |name| name.as_str()),
            value: value.as_bytes(),
            at_ms: it.event.at.as_millis(),
        });
        let mut sent = Sent::default();
        for round in rounds(records, topic.leaders.len()) {
            let mut by_leader: BTreeMap<&Broker, Vec<(usize, Vec<Record<'_>>)>> = BTreeMap::new();
            for (partition, records) in round {
                let leader = topic.leaders.get(partition).and_then(Option::as_ref);
                let leader = leader.ok_or_else(|| format!("partition {partition} has no leader now"))?;
                by_leader.entry(leader).or_default().push((partition, records));
            }
            for (leader, partitions) in by_leader {
                self.produce(leader, partitions, &mut sent).await?;
            }
        }
        self.found = Some(topic);
        Ok(sent)
    }

    /// The first broker that answers says where the topic is.
    async fn find(&mut self) -> Result<Topic, String> {
        let mut why = String::new();
        for broker in self.to.brokers.clone() {
            let topic = self.to.topic.clone();
            match self.ask(&broker, |asked| kafka::ask_where(asked, &topic)).await {
                Ok((asked, answer)) => {
                    return kafka::read_where(&answer, asked, &topic).map_err(|error| error.to_string());
                }
                Err(error) => why = format!("{}:{}: {error}", broker.0, broker.1),
            }
        }
        Err(why)
    }

    async fn produce(
        &mut self,
        leader: &Broker,
        partitions: Vec<(usize, Vec<Record<'_>>)>,
        sent: &mut Sent,
    ) -> Result<(), String> {
        let topic = self.to.topic.clone();
        let mut left = vec![partitions];
        while let Some(partitions) = left.pop() {
            let (asked, answer) = self.ask(leader, |asked| kafka::produce(asked, &topic, &partitions)).await?;
            let fates = kafka::read_produced(&answer, asked).map_err(|error| error.to_string())?;
            for (partition, records) in partitions {
                let count = records.len() as u64;
                match fates.get(&partition) {
                    Some(Fate::Taken) => sent.stored += count,
                    // One of them spoils the batch: each for itself shows which.
                    Some(Fate::Never(_)) if count > 1 => {
                        left.extend(records.into_iter().map(|record| vec![(partition, vec![record])]).rev());
                    }
                    Some(Fate::Never(code)) => {
                        tracing::warn!(code, topic, "the cluster will never take an event");
                        sent.rejected += 1;
                    }
                    None => return Err(format!("nothing is said of partition {partition}")),
                }
            }
        }
        Ok(())
    }

    /// One request and its answer.
    async fn ask(&mut self, broker: &Broker, request: impl FnOnce(i32) -> Vec<u8>) -> Result<(i32, Vec<u8>), String> {
        let (host, port) = broker;
        if self.tls.is_none() && !is_here(host) {
            return Err(format!("the cluster names `{host}`, and without TLS nothing leaves this machine"));
        }
        let mut wire = match self.open.remove(broker) {
            Some(wire) => wire,
            None => dial(host, *port, self.tls.as_ref()).await?,
        };
        self.asked = self.asked.wrapping_add(1);
        write(&mut wire, &request(self.asked)).await?;
        let told = |error: std::io::Error| format!("no answer: {error}");
        let length = usize::try_from(wire.read_i32().await.map_err(told)?).unwrap_or(usize::MAX);
        if length > ANSWER_BYTES_MAX {
            return Err(format!("an answer of {length} bytes"));
        }
        let mut answer = vec![0; length];
        wire.read_exact(&mut answer).await.map_err(told)?;
        self.open.insert(broker.clone(), wire);
        Ok((self.asked, answer))
    }
}

/// Sorts records by partition, into as many rounds as the fullest partition needs.
fn rounds<'a>(records: impl Iterator<Item = Record<'a>>, partitions: usize) -> Vec<Round<'a>> {
    let mut rounds: Vec<Round<'a>> = Vec::new();
    let mut filling: BTreeMap<usize, (usize, usize)> = BTreeMap::new();
    for record in records {
        let partition = kafka::partition(record.key, partitions);
        let (round, bytes) = filling.entry(partition).or_default();
        if *bytes > 0 && *bytes + record.value.len() > BATCH_BYTES {
            (*round, *bytes) = (*round + 1, 0);
        }
        *bytes += record.value.len();
        if rounds.len() == *round {
            rounds.push(Round::new());
        }
        rounds[*round].entry(partition).or_default().push(record);
    }
    rounds
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_partition_that_is_full_goes_on_in_the_next_round_in_its_order() {
        let half = vec![b'x'; BATCH_BYTES / 2 + 1];
        let record = |key, at_ms| Record { key, value: &half, at_ms };
        let all = [record("a", 1), record("b", 2), record("a", 3), record("a", 4)];
        let rounds = rounds(all.into_iter(), 1_000);
        let a = kafka::partition("a", 1_000);
        let times = |round: &Round<'_>| round[&a].iter().map(|it| it.at_ms).collect::<Vec<_>>();
        assert_eq!(rounds.iter().map(times).collect::<Vec<_>>(), [[1], [3], [4]]);
        assert_eq!(rounds[0].len(), 2, "others are not held up");
    }
}
