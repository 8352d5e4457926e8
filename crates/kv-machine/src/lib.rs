//! The replicated state machine: command in, outcome and changes out.
