// A receiver of acting-as tokens that shares no code with governd (tests/offline_receiver.py builds it).
module governd/tests/acting_as_verifier

go 1.25.3

require (
	github.com/go-jose/go-jose/v4 v4.1.5
	github.com/spiffe/go-spiffe/v2 v2.9.0
)
