//! That the fake is as strict, and as faithful, as what it stands for.

mod behaviour;
mod client;
mod faults;
mod strict;
