//! How the machines inside of the client reach what they share: each by its own words, which get its id put to them here.
//!
//! One more kind of machine is an arm in [`Tag`], [`Timer`], [`Command`](super::Command) and [`Output`], an [`Outlet`] below,
//! and its place in `mod.rs`.

use std::collections::VecDeque;
use std::time::Duration;

use super::event::Output;
use crate::admin::Operation;
use crate::cluster::Cluster;
use crate::connection::ConnId;
use crate::consumer::{self, Fetcher};
use crate::context::{Ctx, OpId, Outlet, ReaderId, Routed, Subject, WriterId};
use crate::notice::Notice;
use crate::producer::{self, Sender};
use crate::rng::Rng;
use crate::time::{Instant, Now, Timers};

/// Whose request it was, for its answer's way back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[cfg_attr(feature = "recording", derive(serde::Serialize, serde::Deserialize))]
pub(super) enum Tag {
    Metadata,
    /// The lookup of a coordinator.
    Coordinator(u64),
    Op(OpId),
    Writer(WriterId, producer::Tag),
    Reader(ReaderId, consumer::Tag),
}

/// Whose timer it is: each has at most one time set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[cfg_attr(feature = "recording", derive(serde::Serialize, serde::Deserialize))]
pub(super) enum Timer {
    Metadata,
    Connection(ConnId),
    Connect(Awaiting),
    Op(OpId),
    Writer(WriterId, producer::Timer),
    Reader(ReaderId),
}

/// Who waits for a first broker.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[cfg_attr(feature = "recording", derive(serde::Serialize, serde::Deserialize))]
pub(super) enum Awaiting {
    Op(OpId),
    Reader(ReaderId),
}

/// What all machines inside of the client share.
#[derive(Debug)]
#[cfg_attr(feature = "recording", derive(serde::Serialize, serde::Deserialize))]
pub(super) struct Shared {
    pub(super) rng: Rng,
    pub(super) timers: Timers<Timer>,
    pub(super) cluster: Cluster,
    #[cfg_attr(feature = "recording", serde(skip))]
    pub(super) requests: Vec<Routed<Tag>>,
    #[cfg_attr(feature = "recording", serde(skip))]
    pub(super) outputs: VecDeque<Output>,
    pub(super) request_timeout: Duration,
}

/// The outlet of the machine with this id.
pub(super) struct Out<'a, Id> {
    id: Id,
    timers: &'a mut Timers<Timer>,
    requests: &'a mut Vec<Routed<Tag>>,
    outputs: &'a mut VecDeque<Output>,
}

impl Shared {
    /// One transition of one machine.
    pub(super) fn step<S: Subject, Id, T>(
        &mut self,
        now: Now,
        id: Id,
        machine: &mut S,
        transition: impl FnOnce(&mut S, &mut Ctx<'_, S>) -> T,
    ) -> T
    where
        for<'a> Out<'a, Id>: Outlet<S>,
    {
        let Shared { rng, timers, cluster, requests, outputs, request_timeout } = self;
        let mut out = Out { id, timers, requests, outputs };
        let ctx = &mut Ctx { now, rng, cluster, request_timeout: *request_timeout, out: &mut out };
        transition(machine, ctx)
    }
}

impl Outlet<Sender> for Out<'_, WriterId> {
    fn send(&mut self, request: Routed<producer::Tag>) {
        self.requests.push(request.map(|tag| Tag::Writer(self.id, tag)));
    }

    fn set_timer(&mut self, timer: producer::Timer, at: Option<Instant>) {
        self.timers.set(Timer::Writer(self.id, timer), at);
    }

    fn tell(&mut self, output: producer::Output) {
        self.outputs.push_back(Output::Writer(self.id, output));
    }

    fn notice(&mut self, notice: Notice) {
        self.outputs.push_back(Output::Notice(notice));
    }
}

impl Outlet<Fetcher> for Out<'_, ReaderId> {
    fn send(&mut self, request: Routed<consumer::Tag>) {
        self.requests.push(request.map(|tag| Tag::Reader(self.id, tag)));
    }

    fn set_timer(&mut self, (): (), at: Option<Instant>) {
        self.timers.set(Timer::Reader(self.id), at);
    }

    fn tell(&mut self, output: consumer::Output) {
        self.outputs.push_back(Output::Reader(self.id, output));
    }

    fn notice(&mut self, notice: Notice) {
        self.outputs.push_back(Output::Notice(notice));
    }
}

impl Outlet<Operation> for Out<'_, OpId> {
    fn send(&mut self, request: Routed<()>) {
        self.requests.push(request.map(|()| Tag::Op(self.id)));
    }

    fn set_timer(&mut self, (): (), at: Option<Instant>) {
        self.timers.set(Timer::Op(self.id), at);
    }

    fn tell(&mut self, (): ()) {}

    fn notice(&mut self, notice: Notice) {
        self.outputs.push_back(Output::Notice(notice));
    }
}
