//! What operators run and see: check, doctor, a drain, limits.

mod check;
mod doctor;
mod drain;
mod limits;
mod metrics;
