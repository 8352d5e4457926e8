//! Good histories pass; each planted violation is seen, by the check that it is for.

mod histories;
mod orders;
mod planted;
