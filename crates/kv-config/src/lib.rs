//! The one typed, validated configuration.
