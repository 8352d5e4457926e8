use std::ops::RangeInclusive;
use std::time::Duration;

use crate::{ConfigError, Options};

/// How users prove who they are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuthConfig {
    /// The tokens that they get for their password.
    pub token: AuthToken,
    /// Cost of hashing a new password.
    pub bcrypt_cost: u32,
}

/// Which tokens users get for their password.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AuthToken {
    /// Random ones that the members remember.
    Simple {
        /// How long they live without being used.
        ttl: Duration,
    },
}

/// What bcrypt knows.
const BCRYPT_COSTS: RangeInclusive<u32> = 4..=31;

impl AuthConfig {
    pub(crate) fn parse(options: &Options) -> Result<Self, ConfigError> {
        if !BCRYPT_COSTS.contains(&options.bcrypt_cost) {
            return Err(ConfigError::BcryptCost {
                value: options.bcrypt_cost,
            });
        }
        let token = match options.auth_token.as_str() {
            "simple" => AuthToken::Simple {
                ttl: simple_ttl(options.auth_token_ttl),
            },
            other => {
                return Err(ConfigError::AuthToken {
                    value: other.to_owned(),
                    reason: "expected \"simple\"",
                });
            }
        };
        Ok(Self {
            token,
            bcrypt_cost: options.bcrypt_cost,
        })
    }
}

/// Zero takes the default, as in etcd.
fn simple_ttl(seconds: u32) -> Duration {
    match seconds {
        0 => Duration::from_secs(Options::DEFAULT_AUTH_TOKEN_TTL.into()),
        seconds => Duration::from_secs(seconds.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(auth_token: &str, auth_token_ttl: u32, bcrypt_cost: u32) -> Result<AuthConfig, ConfigError> {
        AuthConfig::parse(&Options {
            auth_token: auth_token.into(),
            auth_token_ttl,
            bcrypt_cost,
            ..Options::default()
        })
    }

    #[test]
    fn simple_tokens_live_five_minutes_unless_told_otherwise() {
        for (given, want) in [(0, 300), (300, 300), (7, 7)] {
            let token = AuthToken::Simple {
                ttl: Duration::from_secs(want),
            };
            assert_eq!(parse("simple", given, 10).map(|auth| auth.token), Ok(token));
        }
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        for (token, cost, want) in [
            ("", 10, "--auth-token"),
            ("nope", 10, "--auth-token"),
            ("simple", 3, "--bcrypt-cost"),
            ("simple", 32, "--bcrypt-cost"),
        ] {
            let error = parse(token, 0, cost).unwrap_err().to_string();
            assert!(error.contains(want), "{error}");
        }
    }
}
