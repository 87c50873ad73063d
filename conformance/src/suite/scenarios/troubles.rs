//! A flow of records under what happens to clusters: nothing is lost, nothing is there twice, nothing out of order.

use std::time::Duration;

use milena_core::protocol::alter_partition_reassignments::{ReassignablePartition, ReassignableTopic};
use milena_core::protocol::elect_leaders::TopicPartitions;
use milena_core::protocol::{
    AlterPartitionReassignmentsRequest, BrokerId, ElectLeadersRequest, ErrorCode, MetadataRequest,
};
use milena_core::{Call, Record, Target, WriterConfig};

use super::flow;
use crate::face::{Client, Writer};
use crate::suite::place::Place;
use crate::suite::scene::{Outcome, Scene, failed, same};
use crate::suite::stage::Trouble;

/// Long enough for the flow to be at work.
const WHILE: Duration = Duration::from_millis(300);

pub(super) async fn a_broker_crashes<P: Place>(scene: Scene<P>) -> Outcome {
    under(scene, Trouble::Crash(Duration::from_secs(1)), 1).await
}

pub(super) async fn a_broker_stands_still<P: Place>(scene: Scene<P>) -> Outcome {
    under(scene, Trouble::Pause(Duration::from_secs(2)), 1).await
}

pub(super) async fn connections_are_cut<P: Place>(scene: Scene<P>) -> Outcome {
    under(scene, Trouble::Cut, 5).await
}

async fn under<P: Place>(scene: Scene<P>, trouble: Trouble, times: u32) -> Outcome {
    scene.needs(trouble)?;
    let client = scene.client()?;
    let topic = scene.topic(&client, 6).await?;
    let flow = flow::begin(&scene, &client, &topic)?;
    for _ in 0..times {
        scene.sleep(WHILE).await;
        scene.step("a flow in trouble");
        scene.trouble(trouble).await?;
    }
    scene.sleep(WHILE).await;
    flow.end().await
}

/// Twice around, each partition.
pub(super) async fn leaders_move<P: Place>(scene: Scene<P>) -> Outcome {
    let client = scene.client()?;
    let topic = scene.topic(&client, 6).await?;
    let flow = flow::begin(&scene, &client, &topic)?;
    for _ in 0..2 {
        scene.sleep(WHILE).await;
        scene.step("moving leaders");
        move_leaders(&scene, &client, &topic).await?;
    }
    scene.sleep(WHILE).await;
    flow.end().await
}

/// Each partition's next replica becomes the preferred leader, and is elected.
async fn move_leaders<P: Place>(scene: &Scene<P>, client: &P::Client, topic: &str) -> Outcome {
    let mut moved = scene.leaders(client, topic).await?;
    moved.iter_mut().for_each(|(_, replicas)| replicas.rotate_left(1));
    let partitions = (0..).zip(&moved).map(|(partition_index, (_, replicas))| ReassignablePartition {
        partition_index,
        replicas: Some(replicas.iter().copied().collect()),
        ..Default::default()
    });
    let asked =
        ReassignableTopic { name: topic.into(), partitions: partitions.collect(), ..Default::default() };
    let request = AlterPartitionReassignmentsRequest { topics: vec![asked], ..Default::default() };
    let answer = client.call(Call::new(request).to(Target::Controller)).await?.response;
    same("the reassignment's error", answer.error_code, ErrorCode::NONE)?;

    let wanted: Vec<BrokerId> = moved.iter().map(|(_, replicas)| replicas[0]).collect();
    for _ in 0..100 {
        let asked = TopicPartitions {
            topic: topic.into(),
            partitions: (0..moved.len() as i32).collect(),
            ..Default::default()
        };
        // Real brokers hang up on those who wait for long, and a busy controller may let them wait.
        let topic_partitions = Some(vec![asked]);
        let request = ElectLeadersRequest { topic_partitions, timeout_ms: 2000, ..Default::default() };
        client.call(Call::new(request).to(Target::Controller).repeatable()).await?;
        let leaders = scene.leaders(client, topic).await?;
        if leaders.iter().map(|(leader, _)| *leader).eq(wanted.iter().copied()) {
            return Ok(());
        }
        scene.sleep(Duration::from_millis(100)).await;
    }
    Err(failed("the leaders have not moved in ten seconds"))
}

/// Whoever comes back after a while finds his connections gone, and need not know.
pub(super) async fn brokers_hang_up_on_the_idle<P: Place>(scene: Scene<P>) -> Outcome {
    scene.needs(Trouble::HangUp)?;
    let client = scene.client()?;
    let topic = scene.topic(&client, 3).await?;
    let writer = client.writer(WriterConfig::new(&topic))?;
    for n in 0..2 {
        for partition in 0..3 {
            let written = writer.write(Record { partition: Some(partition), ..Record::new("v") }).await?;
            same("the offset", written.offset, Some(n))?;
        }
        client.call(Call::new(MetadataRequest::default())).await?;
        same("records read", scene.read_all(&client, &topic).await?.len() as i64, 3 * (n + 1))?;
        if n == 0 {
            scene.step("being idle");
            scene.trouble(Trouble::HangUp).await?;
            scene.sleep(WHILE).await;
            scene.step("coming back");
        }
    }
    Ok(())
}
