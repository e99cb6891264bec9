//! The shared queue: what can be asked of it, each in one script that runs as a whole.

use std::time::Duration;

use redis::{FromRedisValue, Script, ScriptInvocation, Value};

use super::link::{Away, Link, Weight};
use crate::coordinate::crew::Past;
use crate::coordinate::outcome::{self, How};
use crate::coordinate::{Job, Urgency};
use crate::error::Error;
use crate::key::CacheKey;

/// How long a job stays that nobody touches, at least: those who wait for it and those who work it touch it
/// several times in a lease.
const STAY: Duration = Duration::from_secs(600);

/// The queue in one Redis, as one replica sees it.
pub(super) struct Queue {
    pub(super) link: Link,
    names: Names,
    scripts: Scripts,
    /// This replica: what it holds a lease with.
    owner: String,
    lease: Duration,
}

/// What keys and channel are called. The number is that of the scripts' data: replicas of another version share
/// nothing with this one, which costs a few pictures made twice while they are being replaced.
pub(super) struct Names {
    stem: String,
    pub(super) channel: String,
}

struct Scripts {
    submit: Script,
    claim: Script,
    finish: Script,
    renew: Script,
    check: Script,
    withdraw: Script,
}

/// A right to work one job until it runs out or another has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Lease {
    /// Grows with every lease that is given.
    pub(super) fence: String,
    /// What became of the attempts before it.
    pub(super) past: Past,
}

/// What a wish for a variant came to.
pub(super) enum Submitted {
    Leased(Lease),
    Waiting,
    Done(How),
}

/// What a look for work came to.
pub(super) enum Claimed {
    /// `None` where the job can't be read.
    Job(CacheKey, Option<Box<Job>>, Lease),
    /// When the next lease or pause ends, and whether jobs are queued that this replica passed over.
    Nothing(Option<Duration>, bool),
}

/// What has become of a job.
pub(super) enum Checked {
    Waiting,
    Done(How),
    Failed(Error),
    Gone,
}

/// How a lease ends.
pub(super) enum Ending<'a> {
    Done { how: How, fresh: Duration, body: &'a [u8] },
    Failed(&'a Error),
    Retry(Duration, &'a Error),
}

/// What is published.
pub(super) enum News<'a> {
    /// There are jobs.
    Queued,
    Done(CacheKey, How),
    Failed(CacheKey, &'a str),
}

impl Names {
    pub(super) fn new(prefix: &str, database: i64) -> Self {
        let stem = format!("{prefix}:1");
        let channel = format!("{stem}:{database}:events");
        Self { stem, channel }
    }
}

impl Queue {
    pub(super) fn new(link: Link, names: Names, owner: String, lease: Duration) -> Self {
        let script = |source: &str| Script::new(&format!("{}\n{source}", include_str!("scripts/common.lua")));
        let scripts = Scripts {
            submit: script(include_str!("scripts/submit.lua")),
            claim: script(include_str!("scripts/claim.lua")),
            finish: script(include_str!("scripts/finish.lua")),
            renew: script(include_str!("scripts/renew.lua")),
            check: script(include_str!("scripts/check.lua")),
            withdraw: script(include_str!("scripts/withdraw.lua")),
        };
        Self { link, names, scripts, owner, lease }
    }

    /// Wants a variant. With `can_begin` the lease may be given at once.
    pub(super) async fn submit(
        &self,
        job: &Job,
        urgency: Urgency,
        can_begin: bool,
    ) -> Result<Submitted, Away> {
        let mut call = self.call(&self.scripts.submit);
        call.arg(job.key.as_str())
            .arg(serde_json::to_string(job).map_err(|_| Away)?)
            .arg(job.source())
            .arg(u8::from(urgency == Urgency::Background))
            .arg(u8::from(can_begin))
            .arg(millis(self.lease));
        let mut answer = self.run(&call).await?;
        match answer.text().as_deref() {
            Some("leased") => answer.lease().map(Submitted::Leased).ok_or(Away),
            Some("done") => Ok(Submitted::Done(answer.how())),
            _ => Ok(Submitted::Waiting),
        }
    }

    /// Looks for a job whose source is none of `exhausted`.
    pub(super) async fn claim(&self, exhausted: &[String]) -> Result<Claimed, Away> {
        let mut call = self.call(&self.scripts.claim);
        call.arg(millis(self.lease));
        for source in exhausted {
            call.arg(source);
        }
        let mut answer = self.run(&call).await?;
        if answer.text().as_deref() == Some("job") {
            let key = answer.text().and_then(|key| CacheKey::parse(&key)).ok_or(Away)?;
            let job = answer.text().and_then(|job| serde_json::from_str::<Job>(&job).ok());
            let job = job.filter(|job| job.key == key).map(Box::new);
            return answer.lease().map(|lease| Claimed::Job(key, job, lease)).ok_or(Away);
        }
        let pause = answer.number().and_then(|pause| u64::try_from(pause).ok()).map(Duration::from_millis);
        Ok(Claimed::Nothing(pause, answer.number().is_some_and(|queued| queued > 0)))
    }

    /// Ends a lease; false when another replica has the job by now.
    pub(super) async fn finish(
        &self,
        key: &CacheKey,
        lease: &Lease,
        ending: Ending<'_>,
    ) -> Result<bool, Away> {
        let mut call = self.call(&self.scripts.finish);
        call.arg(key.as_str()).arg(&lease.fence);
        let mut weight = Weight::Light;
        match ending {
            Ending::Done { how, fresh, body } => {
                call.arg("done").arg(how.name()).arg(millis(fresh)).arg(body);
                if !body.is_empty() {
                    weight = Weight::Heavy;
                }
            }
            Ending::Failed(error) => {
                call.arg("failed").arg(outcome::encode_error(error));
            }
            Ending::Retry(pause, error) => {
                call.arg("retry").arg(millis(pause)).arg(outcome::encode_error(error));
            }
        }
        let ended: i64 = self.link.run(&call, weight).await?;
        Ok(ended == 1)
    }

    /// Prolongs leases.
    pub(super) async fn renew(&self, leases: &[(CacheKey, String)]) -> Result<(), Away> {
        let mut call = self.call(&self.scripts.renew);
        call.arg(millis(self.lease));
        for (key, fence) in leases {
            call.arg(key.as_str()).arg(fence);
        }
        self.link.run::<Value>(&call, Weight::Light).await.map(drop)
    }

    /// Asks what has become of a job.
    pub(super) async fn check(&self, key: &CacheKey) -> Result<Checked, Away> {
        let mut call = self.call(&self.scripts.check);
        call.arg(key.as_str());
        let mut answer = self.run(&call).await?;
        Ok(match answer.text().as_deref() {
            Some("done") => Checked::Done(answer.how()),
            Some("failed") => answer
                .text()
                .and_then(|text| outcome::decode_error(&text))
                .map_or(Checked::Gone, Checked::Failed),
            Some("waiting") => Checked::Waiting,
            _ => Checked::Gone,
        })
    }

    /// Waits for a job no longer.
    pub(super) async fn withdraw(&self, key: &CacheKey) -> Result<(), Away> {
        let mut call = self.call(&self.scripts.withdraw);
        call.arg(key.as_str());
        self.link.run::<Value>(&call, Weight::Light).await.map(drop)
    }

    /// The bytes of a result that is carried.
    pub(super) async fn body(&self, key: &CacheKey) -> Result<Option<Vec<u8>>, Away> {
        // A script for the sake of the one way in which errors and time are dealt with.
        let read = Script::new("return redis.call('HGET', KEYS[1], 'body')");
        let mut call = read.prepare_invoke();
        call.key(format!("{}:job:{key}", self.names.stem));
        self.link.run(&call, Weight::Heavy).await
    }

    async fn run(&self, call: &ScriptInvocation<'_>) -> Result<Answer, Away> {
        let parts: Vec<Value> = self.link.run(call, Weight::Light).await?;
        Ok(Answer(parts.into_iter()))
    }

    fn call<'a>(&self, script: &'a Script) -> ScriptInvocation<'a> {
        let stem = &self.names.stem;
        let mut call = script.prepare_invoke();
        for name in ["queue", "due", "fence", "results"] {
            call.key(format!("{stem}:{name}"));
        }
        call.arg(format!("{stem}:job:")).arg(&self.names.channel).arg(&self.owner).arg(millis(self.stay()));
        call
    }

    fn stay(&self) -> Duration {
        STAY.max(self.lease.saturating_mul(10))
    }
}

impl<'a> News<'a> {
    /// Reads what [`Names::channel`] says; `None` for what this version does not know.
    pub(super) fn parse(text: &'a str) -> Option<Self> {
        if text == "q" {
            return Some(Self::Queued);
        }
        let (key, rest) = text.get(1..)?.split_once(' ')?;
        let key = CacheKey::parse(key)?;
        match text.as_bytes()[0] {
            b'+' => Some(Self::Done(key, How::from_name(rest))),
            b'-' => Some(Self::Failed(key, rest)),
            _ => None,
        }
    }
}

/// The parts of a script's answer, in order.
struct Answer(std::vec::IntoIter<Value>);

impl Answer {
    fn text(&mut self) -> Option<String> {
        String::from_redis_value(self.0.next()?).ok()
    }

    fn number(&mut self) -> Option<i64> {
        i64::from_redis_value(self.0.next()?).ok()
    }

    fn how(&mut self) -> How {
        How::from_name(&self.text().unwrap_or_default())
    }

    fn lease(&mut self) -> Option<Lease> {
        let fence = self.text()?;
        let mut count = || u32::try_from(self.number()?).ok();
        Some(Lease { fence, past: Past { failed: count()?, died: count()? } })
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX).min(1 << 52)
}
