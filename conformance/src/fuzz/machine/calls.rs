//! Calls of several kinds to several targets, and those who only wait.

use std::sync::Arc;
use std::time::Duration;

use milena_core::machine::{
    AnyRequest, Ask, Command, ConnId, OpId, ReaderId, RequestKind, WriterId, reader, writer,
};
use milena_core::protocol::delete_records::{DeleteRecordsPartition, DeleteRecordsTopic};
use milena_core::protocol::produce::{PartitionProduceData, TopicProduceData};
use milena_core::protocol::{
    BrokerId, CreateTopicsRequest, DeleteRecordsRequest, DescribeClusterRequest, HeartbeatRequest,
    ListGroupsRequest, Message as _, MetadataRequest, ProduceRequest,
};
use milena_core::wire::{Frame, WireError};
use milena_core::{ReaderConfig, Target, WriterConfig};

use super::Run;
use super::broker::TOPICS;
use super::ledger::{Operation, Reader, Writer};

/// A request that no version can say.
#[derive(Debug)]
struct Unsayable;

impl AnyRequest for Unsayable {
    fn kind(&self) -> &'static RequestKind {
        RequestKind::of::<ListGroupsRequest>()
    }

    fn is_answered(&self, _: i16) -> bool {
        true
    }

    fn encode(self: Arc<Self>, _: i16, _: i32, _: &str) -> Result<Frame, WireError> {
        Err(MetadataRequest::decode(Default::default(), 0).expect_err("nothing is no message"))
    }
}

impl Run<'_> {
    fn start(&mut self, op: OpId, takes: Duration, command: Command) {
        let until = self.drive.now.mono + takes;
        let operation = Operation { until, is_done: false, is_cancelled: false };
        self.drive.ledger.operations.insert(op, operation);
        self.drive.command(command);
    }

    pub(super) fn call(&mut self) {
        let [what, how] = self.choices.word().to_be_bytes();
        let topic = TOPICS[usize::from(how >> 4) % TOPICS.len()];
        let partition = i32::from(how >> 6) - 1;
        let request: Arc<dyn AnyRequest> = match what & 7 {
            0 => Arc::new(DescribeClusterRequest::default()),
            1 => Arc::new(CreateTopicsRequest::default()),
            2 => Arc::new(HeartbeatRequest::default()),
            3 => {
                let at = DeleteRecordsPartition { partition_index: partition, ..Default::default() };
                let topic =
                    DeleteRecordsTopic { name: topic.into(), partitions: vec![at], ..Default::default() };
                Arc::new(DeleteRecordsRequest { topics: vec![topic], ..Default::default() })
            }
            4 => Arc::new(Unsayable),
            // No broker answers it.
            5 => {
                let data = PartitionProduceData { index: partition, ..Default::default() };
                let topic =
                    TopicProduceData { name: topic.into(), partition_data: vec![data], ..Default::default() };
                Arc::new(ProduceRequest { acks: 0, topic_data: vec![topic], ..Default::default() })
            }
            _ => Arc::new(ListGroupsRequest::default()),
        };
        let target = match what >> 3 & 7 {
            0 | 1 => Target::Any,
            2 => Target::Broker(BrokerId(i32::from(how >> 4 & 3))),
            3 => Target::Controller,
            4 => Target::leader(topic, partition),
            5 => Target::group(topic),
            6 => Target::transaction(topic),
            _ => Target::leader(topic, 0),
        };
        match &target {
            Target::Leader { .. } => drop(self.drive.ledger.topics.insert(topic.to_owned())),
            Target::Coordinator { .. } => self.drive.ledger.coordinators += 1,
            _ => {}
        }
        let mut ask = Ask::new(request, target);
        ask.answered = what & 7 != 5;
        (ask.repeatable, ask.retry_refused) = (how & 1 != 0, how & 2 != 0);
        if how & 4 != 0 {
            ask.timeout = Some(self.choices.span());
        }
        // A version that takes names instead of ids.
        if what & 7 == 5 {
            ask.versions.1 = 12;
        }
        let takes = ask.timeout.unwrap_or(self.drive.config().api_timeout);
        let op = self.new_op();
        self.start(op, takes, Command::Ask(op, ask));
    }

    pub(super) fn cancel(&mut self) {
        let operations = &mut self.drive.ledger.operations;
        let live: Vec<_> = operations.iter().filter(|(_, op)| op.is_live()).map(|(op, _)| *op).collect();
        let Some(op) = self.choices.pick(&live).copied() else { return };
        operations.get_mut(&op).expect("it was picked").is_cancelled = true;
        self.drive.command(Command::Cancel(op));
    }

    /// Somebody waits for a first broker, or for something of a writer.
    pub(super) fn wait(&mut self) {
        let op = self.new_op();
        if self.choices.flag() {
            let takes = self.drive.config().bootstrap_timeout;
            return self.start(op, takes, Command::Connect(op));
        }
        let (takes, writer) = (self.choices.span(), WriterId(self.choices.below(4) as u64));
        let until = self.drive.now.mono + takes;
        self.start(op, takes, Command::Writer(writer, writer::Command::Wait { op, until }));
    }

    /// After the shutdown everybody is answered at once.
    pub(super) fn come_too_late(&mut self) {
        self.call();
        self.wait();
        let reader = ReaderId(1000);
        let config = Arc::new(ReaderConfig::new("t"));
        self.drive.ledger.readers.insert(reader, Reader::new(config.clone()));
        self.drive.command(Command::Reader(reader, reader::Command::Open(config)));
        let (writer, config) = (WriterId(1000), Arc::new(WriterConfig::default()));
        self.drive.ledger.writers.insert(writer, Writer::new(config.clone()));
        for command in
            [writer::Command::Open(config), writer::Command::Topic("t".into()), writer::Command::Close]
        {
            self.drive.command(Command::Writer(writer, command));
        }
        self.drive.pull(ConnId(0), 1);
    }
}
