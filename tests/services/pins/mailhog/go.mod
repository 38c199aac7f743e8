// What MailHog is built from. It has no go.mod of its own, and `go install` refuses
// it; these versions build with Go 1.17 and later.
module keyrelay/mailhog

go 1.17

require (
	github.com/gorilla/context v1.1.1
	github.com/gorilla/mux v1.8.0
	github.com/gorilla/pat v1.0.1
	github.com/gorilla/websocket v1.5.0
	github.com/ian-kent/envconf v0.0.0-20141026121121-c19809918c02
	github.com/ian-kent/go-log v0.0.0-20160113211217-5731446c36ab
	github.com/ian-kent/goose v0.0.0-20141221090059-c3541ea826ad
	github.com/ian-kent/linkio v0.0.0-20170807205755-97566b872887
	github.com/mailhog/MailHog v1.0.1
	github.com/mailhog/MailHog-Server v1.0.1
	github.com/mailhog/MailHog-UI v1.0.1
	github.com/mailhog/data v1.0.1
	github.com/mailhog/http v1.0.1
	github.com/mailhog/mhsendmail v0.2.0
	github.com/mailhog/smtp v1.0.1
	github.com/mailhog/storage v1.0.1
	github.com/ogier/pflag v0.0.1
	github.com/philhofer/fwd v1.1.1
	github.com/t-k/fluent-logger-golang v1.0.0
	github.com/tinylib/msgp v1.1.5
	golang.org/x/crypto v0.14.0
	gopkg.in/mgo.v2 v2.0.0-20190816093944-a6b53ec6cb22
)
