//! The picture in as many renditions as its sender makes layers. Pure: access units go in, chunks come out.
//!
//! All rungs are cut at the same moments, so that players change between them at any segment: a segment ends where every layer
//! that comes has a key frame. To know that, the first key frame that could end one, and what follows it, is held until the other
//! layers have come as far. A rung that was begun goes on to the end: while its layer does not come it shows another one.

use std::cmp::Reverse;
use std::collections::BTreeSet;

use bytes::Bytes;
use crescendo_cmaf::avc::Sps;
use crescendo_cmaf::{Coding, Error, Sample, init_section};
use crescendo_leg_api::Layer;

use crate::chunker::{Boundary, Chunk, Chunker};
use crate::picture::Shown;
use crate::playlist::Picture;

#[cfg(test)]
mod tests;

/// Lengths and patience, in units of the time scale.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Cut {
    pub(crate) part: u64,
    pub(crate) segment: u64,
    /// A segment is cut here even though no key frame came, so that none outgrows EXT-X-TARGETDURATION.
    pub(crate) longest: u64,
    /// Frames that are no farther apart are of the same picture: less than half a frame, more than what clocks of layers differ by.
    pub(crate) together: u64,
    /// How long the other layers are waited for at the end of a segment.
    pub(crate) patience: u64,
    /// A layer that brought nothing for this long, while others did, does not come.
    pub(crate) silent: u64,
    /// When nothing came for this long every rung shows its last key frame again …
    pub(crate) fill_after: u64,
    /// … after so much more time for what is late.
    pub(crate) fill_patience: u64,
}

/// Moments that are remembered, so that layers can be told to be of the same one: a second of a fast sender.
const MOMENTS_MAX: usize = 128;

/// Frames that are held at the end of a segment: what all layers bring within the patience, and a burst.
const HELD_MAX: usize = 256;

/// What came of a frame.
#[derive(Debug, Clone)]
pub(crate) enum Made {
    /// A rung begins, with this init section. All but [`Layer::WHOLE`] begin at a segment's start of that one.
    Begin {
        rung: Layer,
        init: Bytes,
    },
    /// What a rung shows from now on.
    Picture {
        rung: Layer,
        picture: Picture,
    },
    /// A rung shows what no other one does, or no longer.
    Offer {
        rung: Layer,
        offered: bool,
    },
    Chunk {
        rung: Layer,
        chunk: Chunk,
    },
}

#[derive(Debug)]
pub(crate) struct Ladder {
    cut: Cut,
    /// [`Layer::WHOLE`] shows the largest layer that comes, the others their own while it is not that one.
    rungs: [Option<Rung>; Layer::ALL.len()],
    layers: [Coming; Layer::ALL.len()],
    /// Capture times of late, each once for all layers.
    moments: BTreeSet<u64>,
    /// Where the segments that are open began.
    start: u64,
    gate: Option<Gate>,
}

/// A layer of whoever is shown.
#[derive(Debug, Clone, Copy, Default)]
struct Coming {
    newest: Option<u64>,
    /// Of the frames that were not held.
    passed: Option<u64>,
}

#[derive(Debug)]
struct Rung {
    chunker: Chunker,
    /// The layer that it shows.
    from: Layer,
    /// It stood in for itself: it goes on with a key frame.
    still: bool,
    /// The last key frame.
    key: Bytes,
    sps: Sps,
    offered: bool,
}

/// A key frame that may be the end of a segment, or the first of a sender.
#[derive(Debug)]
struct Gate {
    at: u64,
    until: u64,
    /// Which layers come is not known yet: all that there can be are waited for.
    opens: bool,
    held: Vec<(u64, Shown)>,
}

impl Ladder {
    pub(crate) fn new(cut: Cut) -> Self {
        let (rungs, layers) = (Default::default(), Default::default());
        Self { cut, rungs, layers, moments: BTreeSet::new(), start: 0, gate: None }
    }

    /// Something is shown.
    pub(crate) fn has_begun(&self) -> bool {
        self.rungs.iter().any(Option::is_some)
    }

    /// Takes an access unit that was captured at `time`; `now` is the room's clock.
    pub(crate) fn take(&mut self, time: u64, shown: Shown, now: u64, made: &mut Vec<Made>) -> Result<(), Error> {
        if shown.switched {
            self.settle(u64::MAX, made)?;
            self.layers = Default::default();
            self.moments.clear();
        }
        let coming = self.layers[shown.layer as usize].newest;
        let time = self.moment(time, coming);
        self.layers[shown.layer as usize].newest = coming.max(Some(time));
        self.sort((time, shown), now, made)
    }

    /// Time has passed.
    pub(crate) fn tick(&mut self, now: u64, made: &mut Vec<Made>) -> Result<(), Error> {
        self.settle(now, made)?;
        self.fill(now, made)
    }

    /// Shows the last key frames again where nothing came until `now`.
    pub(crate) fn fill(&mut self, now: u64, made: &mut Vec<Made>) -> Result<(), Error> {
        while self.gate.is_none()
            && let Some(newest) = self.rungs.iter().flatten().filter_map(|rung| rung.chunker.newest()).max()
            && now > newest + self.cut.fill_after + self.cut.fill_patience
        {
            let time = newest + self.cut.fill_after;
            if self.is_due(time) {
                self.end_segment(time, made)?;
            }
            for rung in Layer::ALL.into_iter().rev() {
                self.stand_in(rung, time, made)?;
            }
        }
        Ok(())
    }

    /// A key frame is needed, of all layers: soon, for the end of a segment, or for a rung that stands still. `lead`: how long one
    /// takes to come.
    pub(crate) fn wants_key(&self, now: u64, lead: u64) -> bool {
        let stuck = |(index, rung): (usize, &Option<Rung>)| {
            rung.as_ref().is_some_and(|rung| rung.still || self.wanted(Layer::ALL[index], rung.from) != rung.from)
        };
        self.has_begun() && (now + lead >= self.start + self.cut.segment || self.rungs.iter().enumerate().any(stuck))
    }

    /// The last chunks; what is shown last lasts until `end`.
    pub(crate) fn finish(&mut self, end: u64, made: &mut Vec<Made>) -> Result<(), Error> {
        self.settle(u64::MAX, made)?;
        for rung in Layer::ALL {
            if let Some(chunk) = self.rungs[rung as usize].as_mut().map_or(Ok(None), |rung| rung.chunker.finish(end))? {
                made.push(Made::Chunk { rung, chunk });
            }
        }
        Ok(())
    }

    /// The moment that a frame is of: one that another layer had a frame of, if there is one that its own has not.
    fn moment(&mut self, time: u64, newest: Option<u64>) -> u64 {
        let near = self.moments.range(time.saturating_sub(self.cut.together)..=time + self.cut.together);
        let known = near.copied().filter(|moment| newest.is_none_or(|newest| *moment > newest));
        let time = known.min_by_key(|moment| moment.abs_diff(time)).unwrap_or(time);
        self.moments.insert(time);
        while self.moments.len() > MOMENTS_MAX {
            self.moments.pop_first();
        }
        time
    }

    /// Goes by the moment before the newest one, of which not all layers can be there yet.
    fn comes(&self, layer: Layer) -> bool {
        let before = self.moments.iter().rev().nth(1).copied().unwrap_or(0);
        self.layers[layer as usize].newest.is_some_and(|newest| newest + self.cut.silent >= before)
    }

    /// A key frame here ends the segment. One that somebody else asked for comes early: below 80 % it does not.
    fn is_due(&self, time: u64) -> bool {
        !self.has_begun() || time >= self.start + self.cut.segment * 8 / 10
    }

    fn sort(&mut self, (time, shown): (u64, Shown), now: u64, made: &mut Vec<Made>) -> Result<(), Error> {
        if let Some(gate) = self.gate.as_mut().filter(|gate| time >= gate.at) {
            gate.held.push((time, shown));
            return self.settle(now, made);
        }
        let first = self.layers.iter().all(|layer| layer.passed.is_none_or(|passed| passed < time));
        let opens = self.layers.iter().all(|layer| layer.passed.is_none());
        if shown.sequence.is_some() && first && self.gate.is_none() && (opens || self.is_due(time)) {
            let until = now.saturating_add(self.cut.patience);
            self.gate = Some(Gate { at: time, until, opens, held: vec![(time, shown)] });
            return self.settle(now, made);
        }
        self.pass(time, &shown, made)?;
        self.stand_in_for_missing(made)
    }

    /// Decides whether the segments end at the gate, if that can be known or is not waited for any more.
    fn settle(&mut self, now: u64, made: &mut Vec<Made>) -> Result<(), Error> {
        let Some(gate) = &self.gate else { return Ok(()) };
        let first = |layer: Layer| gate.held.iter().find(|(_, shown)| shown.layer == layer);
        let waits = Layer::ALL.into_iter().any(|layer| (gate.opens || self.comes(layer)) && first(layer).is_none());
        if waits && now < gate.until && gate.held.len() < HELD_MAX {
            return Ok(());
        }
        let mut firsts = Layer::ALL.into_iter().filter_map(first);
        let together = firsts.all(|(time, shown)| *time == gate.at && shown.sequence.is_some());
        let (at, mut held) = (gate.at, self.gate.take().map_or(Vec::new(), |gate| gate.held));
        // The largest first: where others begin it has ended its segment.
        held.sort_by_key(|(time, shown)| (*time, Reverse(shown.layer)));
        if (together && self.is_due(at)) || !self.has_begun() {
            self.end_segment(at, made)?;
        }
        let later = held.split_off(held.partition_point(|(time, _)| *time == at));
        for (time, shown) in held {
            self.pass(time, &shown, made)?;
        }
        self.stand_in_for_missing(made)?;
        later.into_iter().try_for_each(|frame| self.sort(frame, now, made))
    }

    /// All segments end at `time`.
    fn end_segment(&mut self, time: u64, made: &mut Vec<Made>) -> Result<(), Error> {
        for rung in Layer::ALL {
            // One that has not come as far as the end before does so now.
            let overdue = self.rungs[rung as usize].as_ref().and_then(|rung| rung.chunker.boundary());
            if let Some(overdue) = overdue {
                self.stand_in(rung, overdue, made)?;
            }
            if let Some(rung) = &mut self.rungs[rung as usize] {
                rung.chunker.end_segment_at(time);
            }
        }
        self.start = time;
        Ok(())
    }

    fn pass(&mut self, time: u64, shown: &Shown, made: &mut Vec<Made>) -> Result<(), Error> {
        let whole = self.rungs[Layer::WHOLE as usize].as_ref().map(|rung| rung.from);
        // Where layers have their key frames at different moments those of the largest count.
        let alone =
            shown.sequence.is_some() && whole == Some(shown.layer) && time >= self.start + self.cut.segment * 5 / 4;
        if self.has_begun() && (alone || time >= self.start + self.cut.longest) {
            self.end_segment(time, made)?;
        }
        let passed = &mut self.layers[shown.layer as usize].passed;
        *passed = (*passed).max(Some(time));
        for rung in Layer::ALL.into_iter().rev() {
            if self.rungs[rung as usize].is_some() {
                self.feed(rung, time, shown, made)?;
            } else if self.begins(rung, time, shown) {
                self.begin(rung, time, shown, made)?;
            }
        }
        self.offer(made);
        Ok(())
    }

    /// Gives a rung a frame if it is its own.
    fn feed(&mut self, rung: Layer, time: u64, shown: &Shown, made: &mut Vec<Made>) -> Result<(), Error> {
        let Some(Rung { from, still, chunker, .. }) = &self.rungs[rung as usize] else { return Ok(()) };
        let goes_on = *from == shown.layer && (!still || shown.sequence.is_some());
        let is_later = chunker.newest().is_none_or(|newest| time > newest) || !self.comes(*from);
        let takes_over = shown.sequence.is_some() && is_later && self.wanted(rung, *from) == shown.layer;
        let Some(known) = self.rungs[rung as usize].as_mut().filter(|_| goes_on || takes_over) else { return Ok(()) };
        (known.from, known.still) = (shown.layer, false);
        if let Some((sps, _)) = &shown.sequence {
            if known.sps != *sps {
                made.push(Made::Picture { rung, picture: picture(sps) });
            }
            (known.key, known.sps) = (shown.unit.data.clone(), *sps);
        }
        let chunk = known.chunker.push(Sample { time, key: shown.unit.key, data: shown.unit.data.clone() })?;
        made.extend(chunk.map(|chunk| Made::Chunk { rung, chunk }));
        Ok(())
    }

    /// The whole begins with the first key frame, another one where a segment of the whole does.
    fn begins(&self, rung: Layer, time: u64, shown: &Shown) -> bool {
        let whole = self.rungs[Layer::WHOLE as usize].as_ref();
        let is_beside = || {
            whole.is_some_and(|whole| {
                rung == shown.layer && rung < whole.from && whole.chunker.segment_start() == Some(time)
            })
        };
        shown.sequence.is_some() && (rung == Layer::WHOLE || is_beside())
    }

    fn begin(&mut self, rung: Layer, time: u64, shown: &Shown, made: &mut Vec<Made>) -> Result<(), Error> {
        let Some((sps, sets)) = shown.sequence.clone() else { return Ok(()) };
        made.push(Made::Begin { rung, init: init_section(&Coding::Avc { sets, sps })? });
        made.push(Made::Picture { rung, picture: picture(&sps) });
        let mut chunker = Chunker::new(Boundary::Told(None), self.cut.part);
        let key = shown.unit.data.clone();
        let chunk = chunker.push(Sample { time, key: true, data: key.clone() })?;
        made.extend(chunk.map(|chunk| Made::Chunk { rung, chunk }));
        self.rungs[rung as usize] = Some(Rung { chunker, from: shown.layer, still: false, key, sps, offered: false });
        Ok(())
    }

    fn offer(&mut self, made: &mut Vec<Made>) {
        let Some(whole) = self.rungs[Layer::WHOLE as usize].as_ref().map(|rung| rung.from) else { return };
        for layer in Layer::ALL {
            let Some(rung) = &mut self.rungs[layer as usize] else { continue };
            let offered = layer == Layer::WHOLE || rung.from == layer && layer < whole;
            if std::mem::replace(&mut rung.offered, offered) != offered {
                made.push(Made::Offer { rung: layer, offered });
            }
        }
    }

    /// The layer that a rung should show: its own, else the next smaller one that comes, else the next larger one.
    fn wanted(&self, rung: Layer, from: Layer) -> Layer {
        let mut smaller = Layer::ALL.into_iter().rev().filter(|layer| *layer <= rung);
        let mut larger = Layer::ALL.into_iter().filter(|layer| *layer > rung);
        smaller.find(|layer| self.comes(*layer)).or_else(|| larger.find(|layer| self.comes(*layer))).unwrap_or(from)
    }

    /// A rung that has no frame where the others have ended their segment ends its own with its last key frame, if none is on its
    /// way.
    fn stand_in_for_missing(&mut self, made: &mut Vec<Made>) -> Result<(), Error> {
        for rung in Layer::ALL {
            let Some(Rung { chunker, still, from, .. }) = &self.rungs[rung as usize] else { continue };
            if let Some(boundary) = chunker.boundary().filter(|_| *still || !self.comes(*from)) {
                self.stand_in(rung, boundary, made)?;
            }
        }
        Ok(())
    }

    /// Shows a rung's last key frame again.
    fn stand_in(&mut self, rung: Layer, time: u64, made: &mut Vec<Made>) -> Result<(), Error> {
        let Some(known) = &mut self.rungs[rung as usize] else { return Ok(()) };
        known.still = true;
        let chunk = known.chunker.push(Sample { time, key: true, data: known.key.clone() })?;
        made.extend(chunk.map(|chunk| Made::Chunk { rung, chunk }));
        Ok(())
    }
}

fn picture(sps: &Sps) -> Picture {
    let [profile, constraints, level] = sps.profile;
    let codec = format!("avc3.{profile:02x}{constraints:02x}{level:02x}");
    Picture { codec, width: sps.width, height: sps.height }
}
