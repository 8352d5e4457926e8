use super::Fault;
use crate::chance;
use crate::net::Weather;

impl Fault {
    /// Nothing reaches or leaves a member.
    pub(super) async fn isolate(mut self) {
        let id = self.victim();
        self.fault("partition, one member", &id.to_string());
        self.cut_off(id, true, true);
        self.wait(300..8000).await;
        self.rejoin(id);
    }

    /// Messages reach a member or leave it, but not both.
    pub(super) async fn deafen(mut self) {
        let id = self.victim();
        let hears = chance::percent(&mut self.random, 50);
        self.fault("partition, one way", &format!("{id} hears: {hears}"));
        self.cut_off(id, !hears, hears);
        self.wait(300..6000).await;
        self.rejoin(id);
    }

    /// Two halves do not reach each other.
    pub(super) async fn split(mut self) {
        let ids = self.cluster.ids();
        let mut sides: Vec<bool> = Vec::new();
        for _ in &ids {
            sides.push(chance::percent(&mut self.random, 50));
        }
        let mut ways = Vec::new();
        for (from, left) in ids.iter().zip(&sides) {
            for (to, right) in ids.iter().zip(&sides) {
                if left != right {
                    ways.push((*from, *to));
                }
            }
        }
        self.fault("partition, split", &format!("{sides:?}"));
        ways.iter()
            .for_each(|(from, to)| self.cluster.net.block(*from, *to));
        self.wait(300..8000).await;
        ways.iter()
            .for_each(|(from, to)| self.cluster.net.unblock(*from, *to));
    }

    /// A member comes and goes.
    pub(super) async fn flap(mut self) {
        let id = self.victim();
        self.fault("partition, flapping", &id.to_string());
        for _ in 0..chance::within(&mut self.random, 3..12) {
            self.cut_off(id, true, true);
            self.wait(50..900).await;
            self.rejoin(id);
            self.wait(50..900).await;
        }
    }

    /// Messages are late, overtake each other, come twice, or break their connections.
    pub(super) async fn bad_weather(mut self) {
        let weather = Weather {
            delay_millis_max: chance::one_of(&mut self.random, &[30, 150, 600]),
            breaks: chance::one_of(&mut self.random, &[0, 10, 60]),
            doubles: chance::one_of(&mut self.random, &[0, 50, 300]),
        };
        self.fault("delay, loss, duplication, reordering", &format!("{weather:?}"));
        self.cluster.net.set_weather(weather);
        self.wait(500..6000).await;
        self.cluster.net.set_weather(Weather::FAIR);
    }

    fn cut_off(&self, id: u64, hearing: bool, speech: bool) {
        for other in self.cluster.ids() {
            if other == id {
                continue;
            }
            if hearing {
                self.cluster.net.block(other, id);
            }
            if speech {
                self.cluster.net.block(id, other);
            }
        }
    }

    fn rejoin(&self, id: u64) {
        for other in self.cluster.ids() {
            self.cluster.net.unblock(other, id);
            self.cluster.net.unblock(id, other);
        }
    }
}
