"""Buffer: records that were fetched from Kafka and are not settled yet.

The states of a record, from bytes to settled, with the method that moves it on: of
`Buffer`, or of the class that is named.

state      | held in                     | next state, and what moves the record on
-----------+-----------------------------+--------------------------------------------
fetched    | FetchedRecords: bytes, in   | drawn: it is its partition's turn, and
           | the order of their offsets  |   Eligibility.may_draw says so (draw)
-----------+-----------------------------+--------------------------------------------
drawn      | nowhere: `draw` sorts it    | malformed: it holds no trigger
           | at once                     | waiting: not due, and may be held in memory
           |                             | early: not due, and may not be held; or a
           |                             |   copy of what is set aside
           |                             | behind: another of its key comes first
           |                             | duplicate: another of its trigger is on loan
           |                             | on loan: otherwise (Loans.lend)
-----------+-----------------------------+--------------------------------------------
malformed  | Drawn.malformed             | settled: it was written to the dead-letter
           |                             |   topic (moved)
           |                             | fetched: Kafka did not take it (keep)
-----------+-----------------------------+--------------------------------------------
early      | Drawn.early                 | settled: it was written to a retry topic,
           |                             |   or to the held topic (moved)
           |                             | waiting: that topic takes no record of its
           |                             |   size (wait), or Kafka did not answer (keep)
-----------+-----------------------------+--------------------------------------------
waiting    | WaitingRecords: triggers,   | drawn: it is due (draw), or the secret that
           | by the time they are due    |   it waits for was replaced (wake)
-----------+-----------------------------+--------------------------------------------
behind     | KeyOrder, after the first   | waiting, due at once: it is the first of its
           | of its key                  |   key now (finish, forget)
-----------+-----------------------------+--------------------------------------------
duplicate  | Loans, with its trigger     | waiting, due at once: that loan has ended
           |                             |   (finish, wait_in_place)
-----------+-----------------------------+--------------------------------------------
on loan    | Loans; in Drawn.due while   | waiting: the claims did not answer (put_back)
           | Lending claims it, then in  | elsewhere: another process has its claim
           | a KafkaLease                |   (attempted_elsewhere)
           |                             | settled: its claim says it was done before,
           |                             |   its lease was settled, or it was written
           |                             |   again: a person holds it, or another
           |                             |   process attempts it for long (finish)
           |                             | waiting: its lease was settled with TryAgain,
           |                             |   and it is retried in place (wait_in_place)
           |                             | set aside: its attempt lasts, and a copy was
           |                             |   written to a retry topic (set_aside)
-----------+-----------------------------+--------------------------------------------
set aside  | as on loan; its offset is   | settled: its lease was settled (finish), and
           | settled already             |   its copy will be passed over
-----------+-----------------------------+--------------------------------------------
elsewhere  | WaitingRecords, and noted   | drawn: Intervals.busy is over
           | in Loans                    |
-----------+-----------------------------+--------------------------------------------
settled    | none                        | committed: all before it in its partition are
           |                             |   settled (Positions.uncommitted)

Positions has the offset of a record in every state from fetched to settled. With order
by key a record is the first of its key in KeyOrder from its first loan until it is
settled, also while it is waiting or elsewhere.

A rebalance may take its partition away from a record in any state (forget, then
Positions.revoke). What is on loan stays on loan; when its lease is settled then, no
offset is. All else is dropped: the next consumer of the partition fetches it again.
"""
