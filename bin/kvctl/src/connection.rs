//! Clients as the settings want them.

use std::time::Duration;

use kv_client::{Client, ClientError, Options};
use prost::Message;

use crate::args::global::Settings;
use crate::failure::{Failure, code};

impl Settings {
    /// A client of all endpoints whose calls end with the command timeout.
    ///
    /// # Errors
    /// An endpoint makes no sense.
    pub(crate) fn client(&self) -> Result<Client, Failure> {
        let endpoints: Vec<_> = self
            .endpoints
            .iter()
            .map(|endpoint| endpoint.trim().to_owned())
            .collect();
        self.connect(endpoints, Some(self.command_timeout))
            .map_err(refused)
    }

    /// A client of all endpoints whose calls may take as long as they like once a member is reached.
    ///
    /// # Errors
    /// An endpoint makes no sense.
    pub(crate) fn patient_client(&self) -> Result<Client, Failure> {
        let endpoints: Vec<_> = self
            .endpoints
            .iter()
            .map(|endpoint| endpoint.trim().to_owned())
            .collect();
        self.connect(endpoints, None).map_err(refused)
    }

    /// A client of one endpoint.
    ///
    /// # Errors
    /// The endpoint makes no sense.
    pub(crate) fn client_of(&self, endpoint: &str) -> Result<Client, ClientError> {
        self.connect(vec![endpoint.trim().to_owned()], Some(self.command_timeout))
    }

    fn connect(&self, endpoints: Vec<String>, timeout: Option<Duration>) -> Result<Client, ClientError> {
        Client::new(&Options {
            endpoints,
            dial_timeout: self.dial_timeout,
            request_timeout: timeout,
            keepalive_time: self.keepalive_time,
            keepalive_timeout: self.keepalive_timeout,
            response_bytes_max: self.response_bytes_max,
            login: self.login.clone(),
        })
    }

    /// Makes sure that a request is not larger than was allowed.
    ///
    /// # Errors
    /// It is.
    pub(crate) fn check_size(&self, request: &impl Message) -> Result<(), Failure> {
        let (bytes, max) = (request.encoded_len(), self.request_bytes_max);
        if bytes <= max {
            return Ok(());
        }
        let text = format!(
            "rpc error: code = ResourceExhausted desc = trying to send message larger than max ({bytes} vs. {max})"
        );
        Err(Failure::new(code::ERROR, text))
    }
}

fn refused(error: ClientError) -> Failure {
    Failure::call(code::BAD_ARGS, &error)
}
