//! Events and outputs in words, a line each, without record data.

use super::event::Event;
use crate::connection::{Answered, Transmit};
use crate::error::Error;
use crate::machine::{Command, Input, Machine, Output, reader, writer};

/// A line's length from which a value is cut.
const LONGEST: usize = 200;

fn cut(mut text: String) -> String {
    if let Some((at, _)) = text.char_indices().nth(LONGEST) {
        text.truncate(at);
        text.push_str("...");
    }
    one_line(&text)
}

/// Nothing in it breaks a line or speaks to a terminal: names and reasons may come from anywhere.
pub(super) fn one_line(text: &str) -> String {
    text.replace(char::is_control, " ")
}

pub(super) fn end(ended: &str) -> String {
    cut(format!("the client ended: {ended}"))
}

pub(super) fn beginning(machine: &Machine) -> String {
    let (config, out) = (machine.config(), machine.outstanding());
    let bootstrap: Vec<_> = config.bootstrap.iter().map(ToString::to_string).collect();
    cut(format!(
        "client {:?} of {}: {} connections, {} writers, {} readers, {} operations, {} requests unanswered",
        config.client_id,
        bootstrap.join(","),
        out.connections,
        out.writers,
        out.readers,
        out.operations,
        out.unanswered
    ))
}

pub(super) fn event(event: &Event) -> String {
    cut(match event {
        Event::Command(command) => self::command(command),
        Event::Input(input) => self::input(input),
        Event::Timeout => "the clock".to_owned(),
        Event::Transmit(conn) => format!("{conn} has room"),
    })
}

fn command(command: &Command) -> String {
    match command {
        Command::Connect(op) => format!("call {}: connect", op.0),
        Command::Ask(op, ask) => format!("call {}: {:?} to {:?}", op.0, ask.request.kind(), ask.target),
        Command::Cancel(op) => format!("call {} is given up", op.0),
        Command::Refresh => "metadata are to be asked for".to_owned(),
        Command::Writer(id, command) => {
            let what = match command {
                writer::Command::Open(config) => format!("opens: {config:?}"),
                writer::Command::Topic(topic) => format!("wants topic {topic:?}"),
                writer::Command::Gathered { slot, news: writer::News::First } => {
                    format!("has a record in slot {slot}")
                }
                writer::Command::Gathered { slot, news: writer::News::Full } => {
                    format!("has a full batch in slot {slot}")
                }
                writer::Command::Wait { op, .. } => format!("is waited for, call {}", op.0),
                writer::Command::Flush => "is flushed".to_owned(),
                writer::Command::Close => "is closed".to_owned(),
            };
            format!("writer {} {what}", id.0)
        }
        Command::Reader(id, command) => {
            let what = match command {
                reader::Command::Open(config) => format!("opens topic {:?}", config.topic),
                reader::Command::Consumed(bytes) => format!("has read {bytes} bytes"),
                reader::Command::Close => "is closed".to_owned(),
            };
            format!("reader {} {what}", id.0)
        }
        Command::Shutdown(error) => format!("the client is shut down: {error}"),
    }
}

fn input(input: &Input) -> String {
    match input {
        Input::Connected { conn } => format!("{conn} is connected"),
        Input::Answered(Answered { conn, correlation, answer }) => {
            format!("{conn} answers {:?}, correlation id {correlation}: {answer:?}", answer.kind)
        }
        Input::Encoded(encoded) => match &encoded.result {
            Ok(()) => format!("{} has sent request {}", encoded.conn, encoded.correlation),
            Err(error) => format!("{} can't send request {}: {error}", encoded.conn, encoded.correlation),
        },
        Input::Closed { conn, reason } => format!("{conn} ends: {reason}"),
        Input::Worked(worked) => {
            let done: Vec<_> = worked
                .iter()
                .map(|worked| format!("writer {} slot {}: {:?}", worked.writer.0, worked.slot, worked.result))
                .collect();
            format!("jobs are done: {}", done.join(", "))
        }
    }
}

fn failed(error: Option<&Error>) -> String {
    error.map_or_else(|| "at its end".to_owned(), ToString::to_string)
}

pub(super) fn output(output: &Output) -> String {
    cut(match output {
        Output::Connect { conn, address } => format!("connect {conn} to {address}"),
        Output::Close { conn } => format!("close {conn}"),
        Output::Ready { conn } => format!("{conn} has something to send"),
        Output::Done { op, result: Ok(None) } => format!("call {} is done", op.0),
        Output::Done { op, result: Ok(Some(answer)) } => {
            format!("call {} has its answer: {:?}", op.0, answer.kind)
        }
        Output::Done { op, result: Err(error) } => format!("call {} has failed: {error}", op.0),
        Output::Writer(id, output) => {
            let what = match output {
                writer::Output::Topic { topic, view: Ok(view) } => {
                    let (all, led) = (view.slots.len(), view.available.len());
                    format!(
                        "topic {topic:?} has {all} partitions, {led} with a leader, slots {:?}",
                        view.slots
                    )
                }
                writer::Output::Topic { topic, view: Err(error) } => format!("topic {topic:?}: {error}"),
                writer::Output::Work(job) => format!("slot {}: {:?}", job.slot, job.work),
                writer::Output::Settled(writer::Settled { slot, batch, first, records, outcome }) => {
                    let what = match outcome {
                        Ok((Some(offset), _)) => format!("are written at offset {offset}"),
                        Ok((None, _)) => "are written".to_owned(),
                        Err(error) => error.to_string(),
                    };
                    format!("slot {slot} batch {}: records {first} +{records} {what}", batch.0)
                }
                writer::Output::Released { bytes, .. } => format!("{bytes} bytes are free"),
                writer::Output::Reserved { bytes } => format!("{bytes} more bytes are taken"),
                writer::Output::Closed => "takes no more records".to_owned(),
                writer::Output::Gone => "is gone".to_owned(),
            };
            format!("writer {}: {what}", id.0)
        }
        Output::Reader(id, reader::Output::Fetched(chunk)) => {
            let (partition, bytes, from) = (chunk.partition, chunk.records.len(), chunk.from);
            format!("reader {}: {bytes} bytes of partition {partition} from offset {from}", id.0)
        }
        Output::Reader(id, reader::Output::Ended(error)) => {
            format!("reader {} ends: {}", id.0, failed(error.as_ref()))
        }
        Output::Notice(notice) => format!("notice: {notice}"),
    })
}

pub(super) fn transmit(transmit: &Transmit) -> String {
    let Transmit { request, version, correlation, .. } = transmit;
    format!("send {:?} version {version}, correlation id {correlation}", request.kind())
}
