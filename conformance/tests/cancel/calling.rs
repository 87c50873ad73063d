//! What the client itself is asked.

use milena_core::protocol::produce::{PartitionProduceData, TopicProduceData};
use milena_core::protocol::{
    ApiKey, DescribeClusterRequest, DescribeGroupsRequest, ErrorCode, ListGroupsRequest, ProduceRequest,
    Request,
};
use milena_core::record::{BatchBuilder, Compression, Producer};
use milena_core::{Call, Error, NewTopic, ReaderConfig, Record, Target, Writer, WriterConfig};

use crate::stage::{Fate, Point, Stage, TOPIC, config, latest};
use crate::{case, sweep};

type Done = (bool, Option<Writer>);

#[test]
fn calls_are_dropped_anywhere() {
    sweep(
        "calls",
        &[
            case("connect", ApiKey::METADATA, |stage| Box::pin(connect(stage))),
            case("create_topic", ApiKey::CREATE_TOPICS, |stage| Box::pin(create(stage))),
            case("delete_topic", ApiKey::DELETE_TOPICS, |stage| Box::pin(delete(stage))),
            case("call to any broker", ApiKey::LIST_GROUPS, |stage| {
                Box::pin(call(stage, Call::new(ListGroupsRequest::default())))
            }),
            case("call to a leader", ApiKey::LIST_OFFSETS, |stage| Box::pin(call(stage, latest(TOPIC, 1)))),
            case("repeatable call", ApiKey::LIST_OFFSETS, |stage| Box::pin(repeatable_call(stage))),
            case("call to a coordinator", ApiKey::DESCRIBE_GROUPS, |stage| Box::pin(coordinated(stage))),
            case("call whose coordinator is looked up", ApiKey::FIND_COORDINATOR, |stage| {
                Box::pin(looked_up(stage))
            }),
            case("call to the controller", ApiKey::DESCRIBE_CLUSTER, |stage| {
                Box::pin(call(stage, to_controller()))
            }),
            case("parked call", ApiKey::METADATA, |stage| Box::pin(parked(stage))),
            case("send_unanswered", ApiKey::PRODUCE, |stage| Box::pin(unanswered(stage))),
            case("a client's life", ApiKey::PRODUCE, |stage| Box::pin(client(stage))),
        ],
    );
}

async fn connect(stage: &Stage) -> Done {
    let connected = stage.cut(stage.client.connect()).await;
    assert!(matches!(connected, None | Some(Ok(()))), "{connected:?}");
    (connected.is_some(), None)
}

/// Cuts what sends one request, once at most, and takes it back if it was not sent.
async fn once<T>(stage: &Stage, future: impl Future<Output = Result<T, Error>>) -> Option<Result<T, Error>> {
    let before = stage.served();
    let result = stage.cut(future).await;
    let sent = stage.client.outstanding().unanswered > 0 || stage.served() > before;
    stage.settle().await;
    let served = stage.served() - before;
    assert!(served <= 1, "it was served {served} times");
    assert!(sent || result.is_some() || served == 0, "it was dropped before it was sent");
    if stage.is_calm() {
        assert!(result.as_ref().is_none_or(Result::is_ok), "{:?}", result.and_then(Result::err));
    }
    result
}

async fn create(stage: &Stage) -> Done {
    let created = once(stage, stage.client.create_topic(NewTopic::new("new", 1))).await;
    // It is there or not; either way that can be told.
    let exists = stage.world.cluster(|cluster| cluster.offsets("new", 0).is_some());
    stage.world.heal();
    let again = stage.within(stage.client.create_topic(NewTopic::new("new", 1))).await;
    match again {
        Ok(()) => assert!(!exists),
        Err(Error::Rejected { code: ErrorCode::TOPIC_ALREADY_EXISTS, .. }) => assert!(exists),
        again => panic!("{again:?}"),
    }
    (created.is_some(), None)
}

async fn delete(stage: &Stage) -> Done {
    let deleted = once(stage, stage.client.delete_topic("spare")).await;
    (deleted.is_some(), None)
}

async fn call<R: Request>(stage: &Stage, call: Call<R>) -> Done {
    (once(stage, stage.client.call(call)).await.is_some(), None)
}

async fn repeatable_call(stage: &Stage) -> Done {
    let answer = stage.cut(stage.client.call(latest(TOPIC, 1).repeatable())).await;
    assert!(answer.as_ref().is_none_or(Result::is_ok), "{answer:?}");
    let served = stage.served();
    stage.settle().await;
    assert!(stage.served() <= served + 1, "nobody wants it any more");
    (answer.is_some(), None)
}

fn to_coordinator() -> Call<DescribeGroupsRequest> {
    Call::new(DescribeGroupsRequest { groups: vec!["g".into()], ..Default::default() }).to(Target::group("g"))
}

/// Where the client is warm it knows the coordinator, which may be another one by now.
async fn coordinated(stage: &Stage) -> Done {
    if stage.warm {
        stage.within(stage.client.call(to_coordinator().repeatable())).await.unwrap();
    }
    call(stage, to_coordinator()).await
}

fn to_controller() -> Call<DescribeClusterRequest> {
    Call::new(DescribeClusterRequest::default()).to(Target::Controller)
}

/// One lookup for two calls, of which one goes.
async fn looked_up(stage: &Stage) -> Done {
    let client = stage.client.clone();
    let other = stage.world.spawn(async move { client.call(to_coordinator().repeatable()).await });
    let answer = stage.cut(stage.client.call(to_coordinator())).await;
    stage.within(other).await.unwrap();
    (answer.is_some(), None)
}

/// No broker knows its topic.
async fn parked(stage: &Stage) -> Done {
    stage.calls_another_topic();
    let answer = stage.cut(stage.client.call(latest("missing", 0))).await;
    assert!(matches!(answer, None | Some(Err(Error::UnknownTopic { .. }))), "{answer:?}");
    stage.settle().await;
    (answer.is_some(), None)
}

async fn unanswered(stage: &Stage) -> Done {
    let value = stage.value(0);
    let mut batch = BatchBuilder::with_capacity(100);
    batch.append(1_700_000_000_000, None, Some(&value), &[]);
    let records = batch.seal(Compression::None, Producer::NONE).unwrap();
    let partition = PartitionProduceData { index: 0, records: Some(records), ..Default::default() };
    let topic =
        TopicProduceData { name: TOPIC.into(), partition_data: vec![partition], ..Default::default() };
    let request = ProduceRequest { acks: 0, timeout_ms: 1000, topic_data: vec![topic], ..Default::default() };
    let call = Call::new(request).to(Target::leader(TOPIC, 0)).versions(3..=12);
    let sent = stage.cut(stage.client.send_unanswered(call)).await;
    match (&sent, stage.point) {
        (None, Point::Unpolled) => {}
        (Some(Ok(())), _) if stage.is_calm() => stage.expect(&value, Fate::Once),
        _ => stage.expect(&value, Fate::AtMostOnce),
    }
    stage.settle().await;
    (sent.is_some(), None)
}

/// All of a client, with a writer and a reader, goes at once.
async fn client(stage: &Stage) -> Done {
    let value = stage.value(0);
    let life = async {
        let client = stage.world.client(config(&stage.world), 0).unwrap();
        let mut reader = client.reader(ReaderConfig::new(TOPIC)).unwrap();
        let writer = client.writer(WriterConfig::new(TOPIC)).unwrap();
        let written = writer.write(Record::new(&value)).await;
        reader.next().await.unwrap().unwrap();
        written
    };
    let written = stage.cut(life).await;
    stage.expect(&value, if written.is_some() { Fate::Once } else { Fate::AtMostOnce });
    (written.is_some(), None)
}
