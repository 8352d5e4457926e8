module kvd.test/peers/snapshot

go 1.26.0

require kvd.test/peers/harness v0.0.0

replace kvd.test/peers/harness => ../harness
