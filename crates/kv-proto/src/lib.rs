//! The wire types and services, generated from proto/.
