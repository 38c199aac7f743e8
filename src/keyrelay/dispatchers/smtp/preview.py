"""Preview: a mail as it would be sent, for people."""

from collections.abc import Sequence

from keyrelay.dispatchers.smtp.action import Mail
from keyrelay.dispatchers.smtp.mailbox import Mailbox
from keyrelay.dispatchers.smtp.texts import body_text, header_text
from keyrelay.model.action import Message, MessagePreview


def preview_mail(message: Message, *, fifo: bool) -> MessagePreview:
    """Return the mail's texts as mails can carry them, and its envelope."""
    assert isinstance(message, Mail)
    # Here, so that only a preview loads the library that it needs.
    from keyrelay.dispatchers.smtp.compose import HeaderInjected, compose

    refusals = list[str]()
    try:
        compose(message)
    except HeaderInjected:
        refusals.append("the mail's texts would make headers")
    shown = message.instruction.recipients
    return MessagePreview(
        document={
            "from": _written([message.instruction.sender]),
            "to": _written(shown.to),
            "cc": _written(shown.cc),
            "reply_to": _written(shown.reply_to),
            "recipients": [*message.recipients],
            "subject": header_text(message.subject),
            "message": body_text(message.text),
            "html": None if message.html is None else body_text(message.html),
        },
        refusals=refusals,
        replaced=message.replaced,
    )


def _written(mailboxes: Sequence[Mailbox]) -> str:
    return ", ".join(
        f"{each.name} <{each.address}>" if each.name else each.address
        for each in mailboxes
    )
