//! Notification on real servers: letters over the road, events in any order, poison, and HTTP.

mod desk;
mod events;
mod http;
mod letters;
mod poison;
