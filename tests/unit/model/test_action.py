from tests.samples import MAIL_DOES, QUEUE_DOES, an_action


def test_the_channel_of_an_action_is_the_type_of_its_instruction() -> None:
    assert an_action(MAIL_DOES).channel == "email-smtp"
    assert an_action(QUEUE_DOES).channel == "queue-sqs"
