"""Real replies: what providers and mail servers publish, or their users report.

LATER mean "too much just now": by whom the limit is met, and how long to wait. NEVER
look alike, and are the mail's, the recipient's or the account's own. The sources are
the providers' pages of errors and limits, and bug reports that quote a reply.
"""

from datetime import timedelta

from keyrelay.dispatchers.smtp.reply import Phase

SECOND, MINUTE = timedelta(seconds=1), timedelta(minutes=1)
QUARTER, HOUR, DAY = 15 * MINUTE, timedelta(hours=1), timedelta(days=1)
CONNECT, AUTH, MAIL, RCPT, DATA, BODY = (
    Phase.CONNECT,
    Phase.AUTH,
    Phase.MAIL,
    Phase.RCPT,
    Phase.DATA,
    Phase.BODY,
)
SENDER, RECIPIENT = True, False

LATER: list[tuple[Phase, int, str, bool, timedelta]] = [
    # Google
    (BODY, 550, "5.4.5 Daily user sending limit exceeded. For more information on"
     " Gmail sending limits go to https://support.google.com/a/answer/166852",
     SENDER, DAY),
    (MAIL, 550, "5.4.5 Daily sending quota exceeded", SENDER, DAY),
    (RCPT, 550, "5.7.1 Daily SMTP relay limit exceeded for customer. For more"
     " information on SMTP relay sending limits please contact your administrator",
     SENDER, DAY),
    (RCPT, 450, "4.2.1 Peak SMTP relay limit exceeded for customer. This is a"
     " temporary error.", SENDER, QUARTER),
    (BODY, 550, "5.7.1 Email quota exceeded.", SENDER, QUARTER),
    (BODY, 421, "4.7.28 Gmail has detected an unusual rate of unsolicited mail"
     " originating from your IP address.", SENDER, MINUTE),
    (BODY, 550, "5.4.5 You have reached a limit for sending mail. Your message was"
     " not sent.", SENDER, QUARTER),
    (AUTH, 454, "4.7.0 Too many login attempts, please try again later.",
     SENDER, MINUTE),
    (RCPT, 450, "4.2.1 The user you are trying to contact is receiving mail too\n"
     "4.2.1 quickly. Please resend your message at a later time.",
     RECIPIENT, MINUTE),
    (RCPT, 550, "5.2.1 The user you are trying to contact is receiving mail at a rate"
     " that\n5.2.1 prevents additional messages from being delivered.",
     RECIPIENT, MINUTE),
    # Microsoft
    (BODY, 554, "5.2.0 STOREDRV.Submission.Exception:SubmissionQuotaExceededException;"
     " Failed to process message due to a permanent exception with message The message"
     " can't be submitted because the sender's submission quota was exceeded.",
     SENDER, QUARTER),
    (RCPT, 550, "5.1.90 Your message can't be sent because you've reached your daily"
     " limit for message recipients", SENDER, DAY),
    (RCPT, 550, "5.7.233 Your message can't be sent because your tenant exceeded its"
     " daily limit for sending email to external recipients", SENDER, DAY),
    (BODY, 550, "5.7.705 Access denied, tenant has exceeded threshold",
     SENDER, QUARTER),
    (MAIL, 432, "4.3.2 STOREDRV.ClientSubmit; sender thread limit exceeded",
     SENDER, QUARTER),
    (MAIL, 432, "4.3.2 Concurrent connections limit exceeded. Visit"
     " https://aka.ms/concurrent_sending for more information.", SENDER, QUARTER),
    (MAIL, 421, "4.4.2 Message submission rate for this client has exceeded the"
     " configured limit", SENDER, QUARTER),
    (CONNECT, 421, "4.3.2 The maximum number of concurrent server connections has"
     " exceeded a limit, closing transmission channel", SENDER, QUARTER),
    (CONNECT, 421, "RP-001 The mail server IP connecting to Outlook.com server has"
     " exceeded the rate limit allowed.", SENDER, QUARTER),
    (BODY, 451, "4.7.500 Server busy. Please try again later from [192.0.2.1].",
     SENDER, MINUTE),
    (RCPT, 550, "5.2.122 RESOLVER.RST.RecipientRateLimit.Recipient; the recipient has"
     " exceeded their limit for the number of messages they can receive per hour",
     RECIPIENT, MINUTE),
    (RCPT, 550, "5.2.121 Recipient's per hour message receive limit from specific"
     " sender exceeded", RECIPIENT, MINUTE),
    # Amazon
    (BODY, 454, "Throttling failure: Maximum sending rate exceeded.", SENDER, MINUTE),
    (BODY, 454, "Throttling failure: Daily message quota exceeded.", SENDER, DAY),
    # Services that send for others
    (AUTH, 451, "Authentication failed: Maximum credits exceeded", SENDER, QUARTER),
    (RCPT, 452, "Too many recipients received this hour", SENDER, HOUR),
    (MAIL, 450, "too frequent connects from 192.0.2.1, please try again later.",
     SENDER, MINUTE),
    (BODY, 550, "5.7.0 Requested action not taken: too many emails per second",
     SENDER, SECOND),
    (AUTH, 535, "5.7.0 The email limit is reached. Please upgrade your plan"
     " https://mailtrap.io/billing/plans/testing", SENDER, QUARTER),
    (MAIL, 420, "4.2.0 Exceed Sending Limit (daily)", SENDER, DAY),
    (BODY, 550, "5.7.1 Exceed Sending Limit (hourly)", SENDER, HOUR),
    (BODY, 550, "Monthly quota exceeded", SENDER, DAY),
    (RCPT, 554, "5.7.1 <ada@example.com>: Recipient address rejected: You have"
     " exceeded your Outmail quota.", SENDER, QUARTER),
    # Hosting
    (BODY, 550, "Domain example.com has exceeded the max emails per hour (25/25"
     " (100%)) allowed. Message discarded.", SENDER, HOUR),
    (RCPT, 550, "Domain example.com has exceeded the max defers and failures per hour"
     " (5/5 (100%)) allowed. Message discarded.", SENDER, HOUR),
    (BODY, 550, "sorry, too many emails (#5.7.1)", SENDER, MINUTE),
    (RCPT, 550, "User us@example.com has exceeded its 24-hour sending limit. Messages"
     " to 250 recipients out of 250 allowed have been sent. Relay quota will reset in"
     " 5.30 hours.", SENDER, 5.3 * HOUR),
    (BODY, 550, "Mail send limit exceeded", SENDER, QUARTER),
    (RCPT, 450, "Requested mail action not taken: mailbox unavailable\nMail send limit"
     " exceeded", SENDER, QUARTER),
    (BODY, 550, "User has exceeded outgoing email quota", SENDER, QUARTER),
    (BODY, 451, "4.7.1 Hourly limit exceeded", SENDER, HOUR),
    (BODY, 452, "4.5.3 Too many messages", SENDER, MINUTE),
    (RCPT, 550, "Number messages per hour exceeded", SENDER, HOUR),
    (RCPT, 450, "only 5 recipients per 5 minutes allowed", SENDER, 5 * MINUTE),
    (BODY, 554, "Sending email has exceeded hourly throttle", SENDER, HOUR),
    (BODY, 554, "5.7.1 You have exceeded your sending limit of 10,000 recipients in"
     " 24 hours", SENDER, DAY),
    # Zoho, Yahoo, Yandex, Mail.ru, Tencent, Comcast
    (BODY, 550, "5.4.6 Unusual sending activity detected. Please try after sometime",
     SENDER, MINUTE),
    (BODY, 550, "5.4.6 mail rate exceeded limit", SENDER, QUARTER),
    (CONNECT, 421, "4.7.0 [TSS04] Messages from 192.0.2.1 temporarily deferred due to"
     " unexpected volume or user complaints - 4.16.55.1", SENDER, MINUTE),
    (MAIL, 421, "Max message per connection reached, closing transmission channel",
     SENDER, MINUTE),
    (RCPT, 450, "User is receiving mail too quickly", RECIPIENT, MINUTE),
    (RCPT, 450, "4.2.1 The recipient has exceeded message rate limit. Try again later.",
     RECIPIENT, MINUTE),
    (BODY, 550, "Connection frequency limited", SENDER, MINUTE),
    (BODY, 550, "Domain frequency limited [MGwA/RkbmYI7+EPTR5o+Cg==: 192.0.2.1]",
     SENDER, MINUTE),
    (CONNECT, 421, "4.1.0 RL000001 Throttled - try again later", SENDER, MINUTE),
    (CONNECT, 421, "mwinf5c04 ME Trop de connexions, veuillez verifier votre"
     " configuration.", SENDER, MINUTE),
    # Mail servers' own
    (CONNECT, 421, "4.7.0 mail.example.com Error: too many connections from"
     " 192.0.2.1", SENDER, MINUTE),
    (RCPT, 450, "4.7.1 Error: too much mail from 192.0.2.1", SENDER, MINUTE),
    (BODY, 451, '4.7.1 Ratelimit "user" exceeded', SENDER, MINUTE),
    (RCPT, 450, "Sender rate overlimit - 30.1 / 1h", SENDER, HOUR),
    (RCPT, 554, "5.7.1 Policy Rejection: Sending quota exceeded", SENDER, QUARTER),
    (MAIL, 452, "4.3.2 Connection rate limit exceeded.", SENDER, QUARTER),
    (BODY, 550, "You have exceeded the maximum number of recipients per hour,"
     " connection blocked", SENDER, HOUR),
    (BODY, 452, "Sorry, you have reached your message limit for today", SENDER, DAY),
    (BODY, 550, "5.7.1 rate limited, retry after 300 seconds", SENDER, 5 * MINUTE),
    (MAIL, 450, "4.7.1 Too many messages; come back in 00:30:00", SENDER, 30 * MINUTE),
    (DATA, 552, "You have sent 500 of 500 messages allowed per day; the quota resets"
     " in 7 hours", SENDER, 7 * HOUR),
    (MAIL, 552, "Quota exceeded", SENDER, QUARTER),
    (BODY, 550, "daily_limit_exceeded", SENDER, DAY),
    (BODY, 550, "Sie haben zu viele E-Mails gesendet", SENDER, MINUTE),
    (BODY, 451, "Your weekly allowance is used up", SENDER, DAY),
]  # fmt: skip

NEVER: list[tuple[Phase, int, str]] = [
    # A mailbox is full: that recipient's.
    (BODY, 552, "5.2.2 The email account that you tried to reach is over quota"),
    (RCPT, 552, "5.2.2 The recipient's inbox is out of storage space and inactive."),
    (RCPT, 552, "5.2.2 <ada@example.com> Quota exceeded (mailbox for user is full)"),
    (RCPT, 550, "Mailbox full"),
    (RCPT, 552, "Quota exceeded"),
    (RCPT, 550, "User mailbox exceeds allowed size"),
    (RCPT, 552, "Requested mailbox exceeds quota."),
    (BODY, 552, "Requested mail action aborted: exceeded storage allocation"),
    (RCPT, 552, "recipient storage full, try again later"),
    (RCPT, 550, "user over quota. (#5.1.1)"),
    (RCPT, 554, "5.2.2 mailbox full; Daily limit for recipient"),
    (RCPT, 550, "maildir delivery failed: userdisk quota exceeded"),
    (RCPT, 550, "delivery failed: over quota"),
    (RCPT, 550, "5.7.1 Recipient rejected: Mailbox would exceed maximum allowed"
     " storage"),
    # The mail itself
    (BODY, 552, "5.2.3 Your message exceeded Google's message size limits."),
    (MAIL, 552, "5.3.4 Message size exceeds fixed maximum message size"),
    (BODY, 552, "5.3.4 The number of attachments (501) exceeds Google's limit of 500"
     " attachments."),
    (BODY, 552, "5.3.4 The size of the Subject header value exceeds Google's limit"),
    (BODY, 554, "5.6.0 Message exceeded 50 hops, this may indicate a mail loop"),
    (BODY, 554, "5.4.6 Too many hops"),
    (BODY, 554, "5.4.0 Error: too many hops, see Received lines"),
    (BODY, 552, "Message exceeds maximum limit of 25MB"),
    (BODY, 550, "5.6.0 Lines longer than SMTP allows, limit is 998 octets exceeded"),
    (BODY, 552, "5.7.0 This message was blocked because its content presents a"
     " potential security issue"),
    (BODY, 554, "5.7.1 Spam score exceeds threshold"),
    (BODY, 550, "5.7.1 Spam rate too high for this domain"),
    # The account, the sender, the recipient
    (BODY, 554, "Message rejected: Email address is not verified. The following"
     " identities failed the check in region US-EAST-1: us@example.com"),
    (BODY, 554, "Message rejected: Sending paused for this account. For more"
     " information, please check the inbox of the email address associated with your"
     " AWS account."),
    (RCPT, 550, "5.7.60 SMTP; Client does not have permissions to send as this sender"),
    (RCPT, 550, "5.1.1 rates-limit@example.com: no such user"),
    (RCPT, 550, "5.1.1 <too.many.mails@example.com>: Recipient address rejected: User"
     " unknown in virtual mailbox table"),
    (RCPT, 550, "5.7.1 Relaying denied. See https://example.com/rate-limit-exceeded"),
    (BODY, 554, "5.2.0 STOREDRV.Submission.Exception:OutboundSpamException; Failed to"
     " process message due to a permanent exception with message WASCL UserAction"
     " verdict is Suspend."),
    (BODY, 554, "5.1.8 Email Outgoing Blocked"),
    (RCPT, 550, "5.7.501 Access denied, spam abuse detected"),
    (MAIL, 553, "5.7.1 [BL21] Connections will not be accepted from 192.0.2.1"),
    (BODY, 550, "5.7.1 Your account has been suspended: too many complaints, sending"
     " limit exceeded"),
    (RCPT, 550, "Requested action not taken: mailbox unavailable"),
    (RCPT, 550, "5.2.1 The email account that you tried to reach is inactive."),
    (RCPT, 553, "sorry, that domain isn't in my list of allowed rcpthosts (#5.7.1)"),
    (BODY, 554, "5.7.5 Permanent error evaluating DMARC policy"),
    (RCPT, 550, "5.1.0 Sender address rejected: User unknown"),
    (MAIL, 550, "5.7.1 denied, see our Frequently Asked Questions"),
]  # fmt: skip
