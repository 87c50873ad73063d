//! What a reader is asked.

use std::future::poll_fn;
use std::time::Duration;

use milena_core::protocol::ApiKey;
use milena_core::{Error, Reader, ReaderConfig, Record, Until, Writer, WriterConfig};

use crate::stage::{Fate, Stage, TOPIC, config};
use crate::{case, sweep};

type Done = (bool, Option<Writer>);

/// How it is asked.
#[derive(Clone, Copy)]
enum Way {
    Next,
    NextBatch,
    PollNext,
}

#[test]
fn reads_are_dropped_anywhere() {
    use Way::{Next, NextBatch, PollNext};
    sweep(
        "reads",
        &[
            case("next, the first", ApiKey::FETCH, |stage| Box::pin(first(stage, Next))),
            case("next_batch, the first", ApiKey::FETCH, |stage| Box::pin(first(stage, NextBatch))).calm(),
            case("poll_next, the first", ApiKey::FETCH, |stage| Box::pin(first(stage, PollNext))).calm(),
            case("next, where to begin is looked up", ApiKey::LIST_OFFSETS, |stage| {
                Box::pin(first(stage, Next))
            }),
            case("next, in between", ApiKey::FETCH, |stage| Box::pin(between(stage, Next))),
            case("next_batch, in between", ApiKey::FETCH, |stage| Box::pin(between(stage, NextBatch))).calm(),
            case("next, at the end", ApiKey::LIST_OFFSETS, |stage| Box::pin(end(stage, Next))),
            case("next_batch, at the end", ApiKey::FETCH, |stage| Box::pin(end(stage, NextBatch))),
            case("a reader's life", ApiKey::FETCH, |stage| Box::pin(life(stage))),
        ],
    );
}

/// The values of the next record, or of the next batch's; none at the end.
async fn next(reader: &mut Reader, way: Way) -> Result<Vec<Vec<u8>>, Error> {
    let message = match way {
        Way::Next => reader.next().await,
        Way::PollNext => poll_fn(|cx| reader.poll_next(cx)).await,
        Way::NextBatch => {
            let Some(mut batch) = reader.next_batch().await.transpose()? else { return Ok(Vec::new()) };
            let mut values = Vec::new();
            while let Some(record) = batch.next_record().transpose()? {
                values.push(record.value.unwrap().to_vec());
            }
            return Ok(values);
        }
    };
    Ok(message.transpose()?.map(|message| message.value.unwrap().to_vec()).into_iter().collect())
}

/// Four records in partition 0, in batches of their own, from another client: the reader's is as it was.
async fn written(stage: &Stage) -> (Writer, Vec<Vec<u8>>) {
    let writer = stage.world.client(config(&stage.world), 0).unwrap();
    let writer = writer.writer(WriterConfig::new(TOPIC)).unwrap();
    for _ in 0..4 {
        stage.written(&writer, 0).await;
    }
    (writer, stage.log(0))
}

fn reader(stage: &Stage, until: Until) -> Reader {
    let mut config = ReaderConfig::new(TOPIC);
    (config.until, config.partitions) = (until, Some(vec![0]));
    stage.client.reader(config).unwrap()
}

/// All that is left of what is to be read.
async fn read_on(stage: &Stage, reader: &mut Reader, mut read: Vec<Vec<u8>>, all: &[Vec<u8>]) {
    while read.len() < all.len() {
        read.extend(stage.within(next(reader, Way::Next)).await.unwrap());
    }
    assert_eq!(read, all);
}

/// Nothing was fetched before.
async fn first(stage: &Stage, way: Way) -> Done {
    let (_, all) = written(stage).await;
    stage.begin();
    let mut reader = reader(stage, Until::Forever);
    let read = stage.cut(next(&mut reader, way)).await;
    let ready = read.is_some();
    read_on(stage, &mut reader, read.transpose().unwrap().unwrap_or_default(), &all).await;
    (ready, None)
}

/// All is read that there is, and more comes.
async fn between(stage: &Stage, way: Way) -> Done {
    let (writer, mut all) = written(stage).await;
    let mut reader = reader(stage, Until::Forever);
    read_on(stage, &mut reader, Vec::new(), &all).await;
    let value = stage.value(0);
    stage.expect(&value, Fate::Once);
    all.push(value.clone());
    let (world, late) = (stage.world.clone(), writer.clone());
    let writing = stage.world.spawn(async move {
        world.sleep(Duration::from_millis(30)).await;
        late.write(Record { partition: Some(0), ..Record::new(&value) }).await
    });
    let read = stage.cut(next(&mut reader, way)).await;
    let ready = read.is_some();
    let read = [all[..4].to_vec(), read.transpose().unwrap().unwrap_or_default()].concat();
    read_on(stage, &mut reader, read, &all).await;
    stage.within(writing).await.unwrap();
    (ready, None)
}

/// All is read up to the end, which is still to be told.
async fn end(stage: &Stage, way: Way) -> Done {
    let (_, all) = written(stage).await;
    stage.begin();
    let mut reader = reader(stage, Until::End);
    let to_the_end = async |reader: &mut Reader, read: &mut Vec<_>, way| {
        loop {
            match next(reader, way).await.unwrap() {
                none if none.is_empty() => return,
                some => read.extend(some),
            }
        }
    };
    let mut read = Vec::new();
    let ready = stage.cut(to_the_end(&mut reader, &mut read, way)).await.is_some();
    stage.within(to_the_end(&mut reader, &mut read, Way::Next)).await;
    assert_eq!(read, all);
    (ready, None)
}

/// A reader goes while it waits.
async fn life(stage: &Stage) -> Done {
    let (_, all) = written(stage).await;
    let life = async {
        let mut reader = reader(stage, Until::Forever);
        reader.next().await.unwrap().unwrap().value.unwrap()
    };
    let read = stage.cut(life).await;
    assert!(read.as_ref().is_none_or(|read| **read == *all[0]));
    (read.is_some(), None)
}
