use std::sync::Arc;

use openraft::testing::log::{StoreBuilder, Suite};
use tempfile::TempDir;

use super::machine::Machine;
use crate::apply::Applier;
use crate::log::LogStore;
use crate::types::TypeConfig;

struct Builder;

impl StoreBuilder<TypeConfig, LogStore, Applier, TempDir> for Builder {
    async fn build(&self) -> Result<(TempDir, LogStore, Applier), openraft::StorageError<TypeConfig>> {
        let directory = tempfile::tempdir().unwrap();
        let log = LogStore::open(super::cluster::open_wal(directory.path())).unwrap();
        let machine = Machine::lenient();
        Ok((directory, log.clone(), Applier::new(Arc::new(machine), log)))
    }
}

#[tokio::test]
async fn our_stores_pass_the_storage_tests_of_openraft() {
    Suite::test_all(Builder).await.unwrap();
}
