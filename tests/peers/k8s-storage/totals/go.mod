module kvd.test/peers/k8s-storage/totals

go 1.26.0
