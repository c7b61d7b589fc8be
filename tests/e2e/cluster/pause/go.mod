module governd/tests/e2e/cluster/pause

go 1.26
