module kvd.test/peers/kvctl

go 1.26.0

require kvd.test/peers/harness v0.0.0

replace kvd.test/peers/harness => ../harness
