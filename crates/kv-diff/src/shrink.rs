use anyhow::Result;
use kv_proto::etcdserverpb as etcd;
use kv_proto::etcdserverpb::request_op::Request;

use crate::op::Op;
use crate::pair::{Difference, Pair, Programs};

/// Starting servers takes a second; a case that is not small by then is small enough.
const ATTEMPTS_MAX: usize = 120;

/// Makes a script smaller that shows a difference, with fresh servers for each attempt. `None` if they do not
/// differ: what came before the script matters.
pub(crate) async fn shrink(programs: &Programs, script: Vec<Op>) -> Result<Option<(Vec<Op>, Difference)>> {
    let mut attempts = Attempts {
        programs,
        left: ATTEMPTS_MAX,
    };
    let Some(mut best) = attempts.differs(script).await? else {
        return Ok(None);
    };
    let mut chunk = best.0.len().div_ceil(2);
    while chunk > 0 && attempts.left > 0 {
        best = attempts.without_chunks(best, chunk).await?;
        chunk /= 2;
    }
    attempts.simplify(best).await.map(Some)
}

struct Attempts<'a> {
    programs: &'a Programs,
    left: usize,
}

impl Attempts<'_> {
    /// The script up to the difference, if there still is one.
    async fn differs(&mut self, mut script: Vec<Op>) -> Result<Option<(Vec<Op>, Difference)>> {
        if self.left == 0 {
            return Ok(None);
        }
        self.left -= 1;

        let mut pair = Pair::start(self.programs).await?;
        let Err(difference) = pair.run(&script).await else {
            return Ok(None);
        };
        script.truncate(difference.step + 1);
        Ok(Some((script, *difference)))
    }

    async fn without_chunks(
        &mut self,
        mut best: (Vec<Op>, Difference),
        chunk: usize,
    ) -> Result<(Vec<Op>, Difference)> {
        let mut start = 0;
        while start < best.0.len() {
            let end = (start + chunk).min(best.0.len());
            let rest = [&best.0[..start], &best.0[end..]].concat();
            match self.differs(rest).await? {
                Some(smaller) => best = smaller,
                None => start = end,
            }
        }
        Ok(best)
    }

    async fn simplify(&mut self, mut best: (Vec<Op>, Difference)) -> Result<(Vec<Op>, Difference)> {
        let mut place = 0;
        'places: while place < best.0.len() {
            for simpler in simpler(&best.0[place]) {
                let mut script = best.0.clone();
                script[place] = simpler;
                if let Some(found) = self.differs(script).await? {
                    best = found;
                    continue 'places;
                }
            }
            place += 1;
        }
        Ok(best)
    }
}

/// Steps with a little less in them.
fn simpler(op: &Op) -> Vec<Op> {
    match op {
        Op::Txn(request) => simpler_txns(request).into_iter().map(Op::Txn).collect(),
        _ => Vec::new(),
    }
}

fn simpler_txns(request: &etcd::TxnRequest) -> Vec<etcd::TxnRequest> {
    let mut simpler = Vec::new();
    let mut add = |change: &dyn Fn(&mut etcd::TxnRequest)| {
        let mut changed = request.clone();
        change(&mut changed);
        simpler.push(changed);
    };
    for place in 0..request.compare.len() {
        add(&|txn| drop(txn.compare.remove(place)));
    }
    for place in 0..request.success.len() {
        add(&|txn| drop(txn.success.remove(place)));
    }
    for place in 0..request.failure.len() {
        add(&|txn| drop(txn.failure.remove(place)));
    }
    for (place, op) in request.success.iter().enumerate() {
        if let Some(Request::RequestTxn(nested)) = &op.request {
            for nested in simpler_txns(nested) {
                add(&|txn| txn.success[place].request = Some(Request::RequestTxn(nested.clone())));
            }
        }
    }
    simpler
}
