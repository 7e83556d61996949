//! A whole control in a folder of its own, with a node and proxies that speak to it as real ones do.
#![allow(clippy::unwrap_used, missing_docs)]

mod support;

mod alerts;
mod attach;
mod breach;
mod ca;
mod clocks;
mod deny;
mod events;
mod explain;
mod full;
mod guards;
mod holds;
mod indicators;
mod instances;
mod intake;
mod intake_tls;
mod issuance;
mod join;
mod kubernetes;
mod ledger;
mod machines;
mod mail;
mod metrics;
mod nodes;
mod observed; // attacks in what others log
mod on_call;
mod outputs;
mod outputs_kafka;
mod outputs_otlp;
mod outputs_tls;
mod outside_tokens;
mod promotion;
mod publish;
mod rotation;
mod shadow;
