//! A configuration in, a running member and its handle out.
