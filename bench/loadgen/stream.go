package main

import (
	"context"
	"errors"
	"io"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/encoding/protowire"
)

// As many questions as one message of EvaluateStream may have.
const maxQuestions = 256

// Field numbers, as in policy_service.proto and types.proto.
const (
	fieldQuestions     = 1 // of EvaluateStreamRequest, and answers of EvaluateStreamResponse
	fieldCorrelationID = 1 // of StreamedQuestion and StreamedAnswer
	fieldContent       = 2 // request of StreamedQuestion, evaluation of StreamedAnswer
	fieldError         = 9 // of Evaluation
	fieldEvaluation    = 1 // of EvaluateResponse
)

// streamed is one EvaluateStream of a caller. It has a number of places; each holds a
// question in flight and takes the next one once it is answered. What is to be asked at the
// moment goes out as one message.
type streamed struct {
	*load
	caller *caller
	places []place
	ready  chan []uint64 // places that may ask
	asking int           // places that have not ended; of the reader
}

type place struct {
	id    uint64 // of the question in flight; modulo the number of places it is the place
	begun time.Time
}

func newStreamed(l *load, c *caller) *streamed {
	s := &streamed{load: l, caller: c, places: make([]place, c.InFlight), asking: c.InFlight}
	s.ready = make(chan []uint64, c.InFlight+1)
	return s
}

func (s *streamed) run(conn *grpc.ClientConn) {
	var t trace
	ctx, cancel := context.WithCancel(traced(&t))
	defer cancel()
	defer time.AfterFunc(time.Until(s.start)+seconds(s.Seconds)+deadline, cancel).Stop()
	description := &grpc.StreamDesc{ClientStreams: true, ServerStreams: true}
	both, err := conn.NewStream(ctx, description, s.Method, grpc.ForceCodec(rawCodec{}))
	if err == nil {
		all := make([]uint64, len(s.places))
		for i := range all {
			all[i] = uint64(i)
			s.places[i] = place{id: uint64(i), begun: time.Now()}
		}
		s.ready <- all
		go s.write(both)
		err = s.read(both)
	}
	if err != nil {
		for range max(s.asking, 1) {
			s.caller.record.add(s.load, time.Now(), t.outcome(err), err, nil)
		}
	}
}

// write sends all that is to be asked at the moment as one message, until nothing will be.
func (s *streamed) write(to grpc.ClientStream) {
	for places := range s.ready {
		for more := true; more && len(places) < maxQuestions; {
			select {
			case others, open := <-s.ready:
				places, more = append(places, others...), open
			default:
				more = false
			}
		}
		for len(places) > 0 {
			now := places[:min(len(places), maxQuestions)]
			places = places[len(now):]
			message := s.message(now)
			if to.SendMsg(&message) != nil {
				return // the reader learns why
			}
		}
	}
	_ = to.CloseSend() // never fails
}

func (s *streamed) message(places []uint64) []byte {
	var message, question []byte
	for _, i := range places {
		question = protowire.AppendTag(question[:0], fieldCorrelationID, protowire.VarintType)
		question = protowire.AppendVarint(question, s.places[i].id)
		question = protowire.AppendTag(question, fieldContent, protowire.BytesType)
		question = protowire.AppendBytes(question, s.questions.take())
		message = protowire.AppendTag(message, fieldQuestions, protowire.BytesType)
		message = protowire.AppendBytes(message, question)
	}
	return message
}

// read takes answers, until every question has one and no more will be asked.
func (s *streamed) read(from grpc.ClientStream) error {
	var message []byte
	for {
		if err := from.RecvMsg(&message); err != nil {
			if errors.Is(err, io.EOF) && s.asking == 0 {
				return nil
			}
			return err
		}
		again, err := s.take(message)
		if err != nil {
			return err
		}
		if s.isOver() {
			if s.asking -= len(again); s.asking == 0 {
				close(s.ready)
			}
		} else if len(again) > 0 {
			s.ready <- again
		}
	}
}

// take records the answers of a message, and returns the places that they were for.
func (s *streamed) take(message []byte) ([]uint64, error) {
	var again []uint64
	err := eachField(message, func(_ protowire.Number, answer []byte, _ uint64) error {
		var id uint64
		var evaluation []byte
		err := eachField(answer, func(field protowire.Number, bytes []byte, number uint64) error {
			switch field {
			case fieldCorrelationID:
				id = number
			case fieldContent:
				evaluation = bytes
			}
			return nil
		})
		if err != nil {
			return err
		}
		at := id % uint64(len(s.places))
		if s.places[at].id != id {
			return errors.New("answer to what was not asked, or a second one")
		}
		again = append(again, at)
		return s.answered(&s.places[at], evaluation)
	})
	return again, err
}

func (s *streamed) answered(p *place, evaluation []byte) error {
	result, problem := answered, error(nil)
	err := eachField(evaluation, func(field protowire.Number, bytes []byte, _ uint64) error {
		if field == fieldError {
			result, problem = failed, errors.New("answer with an error: "+string(bytes))
		}
		return nil
	})
	reply := protowire.AppendTag(nil, fieldEvaluation, protowire.BytesType)
	s.caller.record.add(s.load, p.begun, result, problem, protowire.AppendBytes(reply, evaluation))
	p.id += uint64(len(s.places)) // the same place, another question
	p.begun = time.Now()
	return err
}

// eachField calls back with the fields of a message that are bytes or varints.
func eachField(message []byte, do func(protowire.Number, []byte, uint64) error) error {
	for len(message) > 0 {
		field, kind, tag := protowire.ConsumeTag(message)
		if tag < 0 {
			return protowire.ParseError(tag)
		}
		size := protowire.ConsumeFieldValue(field, kind, message[tag:])
		if size < 0 {
			return protowire.ParseError(size)
		}
		value := message[tag : tag+size]
		message = message[tag+size:]
		var err error
		switch kind {
		case protowire.BytesType:
			bytes, _ := protowire.ConsumeBytes(value)
			err = do(field, bytes, 0)
		case protowire.VarintType:
			number, _ := protowire.ConsumeVarint(value)
			err = do(field, nil, number)
		}
		if err != nil {
			return err
		}
	}
	return nil
}
