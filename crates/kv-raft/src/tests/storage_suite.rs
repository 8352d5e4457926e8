use std::sync::Arc;

use super::disk::TestDisk;
use super::machine::Machine;
use crate::apply::Applier;
use crate::log::LogStore;
use crate::types::TypeConfig;
use openraft::testing::log::{StoreBuilder, Suite};

struct Builder;

impl StoreBuilder<TypeConfig, LogStore, Applier> for Builder {
    async fn build(&self) -> Result<((), LogStore, Applier), openraft::StorageError<TypeConfig>> {
        let log = LogStore::open(TestDisk::default().open_wal()).unwrap();
        let machine = Machine::lenient();
        Ok(((), log.clone(), Applier::new(Arc::new(machine), log)))
    }
}

#[tokio::test]
async fn our_stores_pass_the_storage_tests_of_openraft() {
    Suite::test_all(Builder).await.unwrap();
}
