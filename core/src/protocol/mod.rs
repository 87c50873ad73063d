//! Kafka's requests and responses: every version of each, in both directions, one file per API key.
//!
//! A file reads like the specification it is: what the API is for, which version brought what, and for each
//! field its versions, default and flags. How to read one is in `dsl.rs`. To add an API, write its file and
//! name it below.
//!
//! Structs are named as in Kafka's own message definitions. Where several APIs have a struct of the same name
//! (`LeaderIdAndEpoch`), it is found in its API's module only.

#[macro_use]
mod dsl;

mod api_key;
mod error_code;
mod header;
mod ids;
mod message;

pub use api_key::ApiKey;
pub use error_code::ErrorCode;
pub use header::{
    RequestHeader, ResponseHeader, correlation_id, decode_request_header, decode_response, encode_request,
    encode_response,
};
pub use ids::{BrokerId, ProducerId};
pub use message::{Api, Message, Request};

macro_rules! apis {
    ($($module:ident: $request:ident,)*) => {
        $(
            pub mod $module;
            #[allow(ambiguous_glob_reexports, reason = "a name that two APIs share is found in their modules")]
            pub use self::$module::*;
        )*

        /// Every API this release can speak, by key.
        pub const APIS: &[Api] = &[$(Api::of::<$module::$request>()),*];
    };
}

apis! {
    produce: ProduceRequest,
    fetch: FetchRequest,
    list_offsets: ListOffsetsRequest,
    metadata: MetadataRequest,
    find_coordinator: FindCoordinatorRequest,
    api_versions: ApiVersionsRequest,
    create_topics: CreateTopicsRequest,
    delete_topics: DeleteTopicsRequest,
    init_producer_id: InitProducerIdRequest,
}

#[cfg(test)]
mod tests;
