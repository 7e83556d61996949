//! Whole fleets, started and broken for real.
#![allow(clippy::unwrap_used, missing_docs)]

mod apps; // apps that people use
mod audit; // the ledger
mod authorization; // tokens for workloads
mod balance; // what became of every event
mod bank_up; // start here: the main job
mod bench; // a fleet with guards and without
mod boards; // for Grafana
mod broker; // people from other identity providers
mod browser; // pages of people, in Chromium
mod capture;
mod clock; // machines that slept
mod console; // the web pages, in Chromium
mod console_api; // every endpoint answers as its description says
mod console_door; // sign-in, roles, stream
mod cost; // what guards cost
mod customers;
mod denials;
mod deploys; // what is whose, at the bank
mod egress;
mod envoy; // another proxy beside ours
mod events; // what was seen can be found again
mod ext_authz; // another proxy that asks ours
mod faults; // kill -9, full disk, half-written files
mod federation; // two trust domains
mod gateway;
mod group;
mod guards;
mod instances; // several of one service
mod isolation;
mod killed; // in the middle of a request
mod login; // browsers, at the gateway
mod migration; // from plain to strict
mod not_renewed; // identities that run out
mod observe; // logs and alerts alone
mod ocsf;
mod outage; // all of control is gone
mod outside; // who may not come in
mod overload;
mod own_fleet; // services that nobody here wrote
mod packets;
mod partners; // third parties
mod people; // who sign in
mod pre_prod; // may it go into production
mod prometheus; // what scrapes us
mod revoke;
mod rollouts; // a bad version stays a canary
mod rotation; // another root while everything goes on
mod shadow; // policies that are tried out
mod shared_limits; // several guards, one count
mod spans; // what guards see is told, all of it
mod telemetry; // what others hand in
mod upgrade; // guards are replaced under load
mod users; // on whose behalf
mod versions; // a new one beside the old
mod webhooks; // signed events
mod weekly; // reports of weeks
mod workloads; // programs that ask who they are
mod wrong_files; // refused before anything starts
