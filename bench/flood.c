/* flood: connections that send as fast as the router takes it; loopback only, bounded in connections and time.
 *   flood --kind KIND --port PORT [--conns 20] [--secs 10] [--path /] [--realm realm1] [--tickets FILE]
 * KIND  before HELLO:    ping (empty pings)  continuation (empty fragments)
 *       after HELLO:     subscribe  publish (denied)  call (of nothing)  json (malformed)
 *       other protocols: v1 (needs --tickets, one a line)  rawsocket (empty pings)  longpoll (pipelined opens)
 *       never complete:  http (half a request, then the next connection)  tls (a handshake, then the next connection)
 *       sink             listens on PORT itself: throws away what it reads, returns what begins with 'E'
 * A connection that the router ends is replaced after 50 ms. Prints one line of JSON.
 * Build: gcc -O2 -o flood flood.c -lssl -lcrypto */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { MOST_CONNS = 2000, MOST_SECS = 300, MOST_TICKETS = 4096 };
static const double PAUSE = 0.05; /* seconds until a connection that was ended is replaced */

static void die(const char *format, ...) {
  va_list rest;
  va_start(rest, format);
  fputs("flood: ", stderr);
  vfprintf(stderr, format, rest);
  fputc('\n', stderr);
  exit(2);
}

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec + t.tv_nsec / 1e9;
}

/* ---------- what is sent ---------- */

typedef struct { char *data; size_t size, room; } bytes;

static void add(bytes *to, const void *data, size_t size) {
  if (to->size + size > to->room) {
    to->room = (to->size + size) * 2;
    if (!(to->data = realloc(to->data, to->room))) die("out of memory");
  }
  memcpy(to->data + to->size, data, size);
  to->size += size;
}

/* A client's frame; its mask is zero, so that the payload stands in it as it is. */
static void frame(bytes *to, int fin, int opcode, const char *payload) {
  size_t size = strlen(payload);
  unsigned char head[8] = {(unsigned char)((fin ? 0x80 : 0) | opcode)};
  size_t length = 2;
  if (size > 65535) die("a frame of %zu bytes", size);
  if (size < 126) head[1] = 0x80 | size;
  else { head[1] = 0x80 | 126; head[2] = size >> 8; head[3] = size & 255; length = 4; }
  memset(head + length, 0, 4);
  add(to, head, length + 4);
  add(to, payload, size);
}

static void text(bytes *to, const char *format, ...) {
  char message[1024];
  va_list rest;
  va_start(rest, format);
  vsnprintf(message, sizeof message, format, rest);
  va_end(rest);
  frame(to, 1, 1, message);
}

typedef struct {
  const char *name, *subprotocol; /* no subprotocol: the transport is not WebSocket */
  int hello;
} kind;

static const kind KINDS[] = {
  {"ping", "wamp.2.json", 0},    {"continuation", "wamp.2.json", 0}, {"subscribe", "wamp.2.json", 1},
  {"publish", "wamp.2.json", 1}, {"call", "wamp.2.json", 1},         {"json", "wamp.2.json", 1},
  {"v1", "wamp", 0},             {"rawsocket", NULL, 0},             {"longpoll", NULL, 0},
  {"http", NULL, 0},             {"tls", NULL, 0},                   {"sink", NULL, 0},
};

static const kind *wanted;
static bytes first, chunk; /* sent once, and again and again */
static const char *o_path = "/", *o_realm = "realm1";
static int o_port, o_conns = 20, o_secs = 10;
static char *tickets[MOST_TICKETS];
static int ticket_count;

static int is(const char *name) { return !strcmp(wanted->name, name); }

static void prepare(void) {
  if (wanted->hello) {
    text(&first, "[1,\"%s\",{\"roles\":{\"caller\":{},\"callee\":{},\"publisher\":{},\"subscriber\":{}}}]", o_realm);
  }
  if (is("continuation")) frame(&first, 0, 1, "");
  if (is("rawsocket")) add(&first, "\x7f\xf1\0\0", 4);
  if (is("http")) {
    char half[600];
    int size = snprintf(half, sizeof half, "GET %s HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Half: ", o_path);
    add(&first, half, size);
  }
  for (int n = 1; n <= 1000; n++) {
    if (is("ping")) frame(&chunk, 1, 9, "");
    if (is("continuation")) frame(&chunk, 0, 0, "");
    if (is("subscribe")) { text(&chunk, "[32,%d,{},\"com.flood.%d\"]", n, n % 50); text(&chunk, "[34,%d,%d]", n, n); }
    if (is("publish")) text(&chunk, "[16,%d,{\"acknowledge\":true},\"wamp.forbidden\",[%d]]", n, n);
    if (is("call")) text(&chunk, "[48,%d,{},\"com.nothing.%d\"]", n, n);
    if (is("json")) text(&chunk, "[16,%d,{},\"com.flood\",[", n);
    if (is("v1")) { text(&chunk, "[5,\"com.flood.%d\"]", n % 50); text(&chunk, "[7,\"com.flood.denied\",%d]", n); }
    if (is("rawsocket")) add(&chunk, "\1\0\0\0", 4);
    if (is("longpoll")) {
      char request[800];
      const char *body = "{\"protocols\":[\"wamp.2.json\"]}";
      int size = snprintf(request, sizeof request,
                          "POST %s/open HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
                          "Content-Length: %zu\r\n\r\n%s", o_path, strlen(body), body);
      add(&chunk, request, size);
    }
  }
}

static void upgrade(bytes *to, int number) {
  char query[2048] = "", request[4096];
  if (ticket_count) {
    size_t at = (size_t)snprintf(query, sizeof query, "?ticket=");
    for (const char *p = tickets[number % ticket_count]; *p && at + 4 < sizeof query; p++) {
      at += (size_t)snprintf(query + at, sizeof query - at, strchr("+/=", *p) ? "%%%02X" : "%c", (unsigned char)*p);
    }
  }
  int size = snprintf(request, sizeof request,
                      "GET %s%s HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                      "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"
                      "Sec-WebSocket-Protocol: %s\r\nOrigin: http://localhost\r\n\r\n",
                      o_path, query, o_port, wanted->subprotocol);
  add(to, request, size);
}

/* ---------- connections ---------- */

typedef enum { CLOSED, CONNECTING, SHAKING, UPGRADING, FLOODING } phase;
typedef struct {
  int fd, number;
  phase phase;
  double again;     /* when a closed one is replaced */
  bytes opening;    /* what comes before the chunks */
  size_t sent;      /* of the opening, then of the chunk */
  char answer[13];  /* the status line's beginning */
  size_t answered;
  SSL *ssl;
} conn;

static conn *conns;
static int poller, accepted, ended, refused;
static unsigned long long sent_bytes, rounds;
static SSL_CTX *tls;

static void finish(conn *c, int by_router) {
  epoll_ctl(poller, EPOLL_CTL_DEL, c->fd, NULL);
  if (c->ssl) SSL_free(c->ssl);
  c->ssl = NULL;
  close(c->fd);
  c->phase = CLOSED;
  c->again = now() + (by_router ? PAUSE : 0);
  ended += by_router;
}

static void begin(conn *c) {
  struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(o_port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  c->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
  if (c->fd < 0) die("socket: %s", strerror(errno));
  c->opening.size = c->sent = c->answered = 0;
  if (wanted->subprotocol) upgrade(&c->opening, c->number);
  else add(&c->opening, first.data ? first.data : "", first.size);
  struct epoll_event event = {.events = EPOLLIN | EPOLLOUT, .data.ptr = c};
  epoll_ctl(poller, EPOLL_CTL_ADD, c->fd, &event);
  c->phase = CONNECTING;
  if (connect(c->fd, (struct sockaddr *)&to, sizeof to) && errno != EINPROGRESS) finish(c, 1);
}

static int put(conn *c, const char *data, size_t size) { /* 1: all of it is sent; 0: later; -1: over */
  while (c->sent < size) {
    ssize_t taken = send(c->fd, data + c->sent, size - c->sent, MSG_NOSIGNAL);
    if (taken < 0) return errno == EAGAIN || errno == EWOULDBLOCK ? 0 : -1;
    c->sent += (size_t)taken;
    sent_bytes += (unsigned long long)taken;
  }
  return 1;
}

static int drain(conn *c) { /* -1: the router has ended it */
  char buffer[65536];
  for (int reads = 0; reads < 16; reads++) {
    ssize_t got = recv(c->fd, buffer, sizeof buffer, 0);
    if (got < 0) return errno == EAGAIN || errno == EWOULDBLOCK ? 0 : -1;
    if (!got) return -1;
    for (ssize_t n = 0; n < got && c->answered < 12; n++) c->answer[c->answered++] = buffer[n];
  }
  return 0;
}

static void shake(conn *c) { /* one TLS handshake, and away */
  if (!c->ssl) {
    c->ssl = SSL_new(tls);
    SSL_set_fd(c->ssl, c->fd);
    c->phase = SHAKING;
  }
  int done = SSL_connect(c->ssl);
  if (done == 1) { accepted++; rounds++; finish(c, 0); return; }
  int why = SSL_get_error(c->ssl, done);
  ERR_clear_error();
  if (why != SSL_ERROR_WANT_READ && why != SSL_ERROR_WANT_WRITE) { finish(c, 1); return; }
  struct epoll_event event = {.events = why == SSL_ERROR_WANT_READ ? EPOLLIN : EPOLLOUT, .data.ptr = c};
  epoll_ctl(poller, EPOLL_CTL_MOD, c->fd, &event);
}

static void step(conn *c, unsigned events) {
  if (c->phase == CONNECTING) {
    int fault = 0;
    socklen_t size = sizeof fault;
    if (!(events & (EPOLLOUT | EPOLLERR | EPOLLHUP))) return;
    getsockopt(c->fd, SOL_SOCKET, SO_ERROR, &fault, &size);
    if (fault) { finish(c, 1); return; }
    if (!is("tls")) c->phase = wanted->subprotocol ? UPGRADING : FLOODING;
  }
  if (is("tls")) { shake(c); return; }
  if ((events & (EPOLLIN | EPOLLERR | EPOLLHUP)) && drain(c) < 0) { finish(c, 1); return; }
  if (c->phase == UPGRADING && c->answered == 12) {
    if (memcmp(c->answer + 9, "101", 3)) { refused++; finish(c, 1); return; }
    accepted++;
    c->phase = FLOODING;
    c->opening.size = c->sent = 0;
    add(&c->opening, first.data ? first.data : "", first.size);
  }
  if (c->opening.size) {
    int done = put(c, c->opening.data, c->opening.size);
    if (done < 0) finish(c, 1);
    if (done < 1) return;
    if (c->phase == UPGRADING) { /* nothing more to write until the answer is there */
      struct epoll_event event = {.events = EPOLLIN, .data.ptr = c};
      epoll_ctl(poller, EPOLL_CTL_MOD, c->fd, &event);
      if (c->answered < 12) return;
    }
    c->opening.size = c->sent = 0;
    if (is("http")) { rounds++; finish(c, 0); return; }
  }
  if (c->phase != FLOODING) return;
  struct epoll_event event = {.events = EPOLLIN | EPOLLOUT, .data.ptr = c};
  epoll_ctl(poller, EPOLL_CTL_MOD, c->fd, &event);
  for (int turns = 0; turns < 4; turns++) {
    int done = put(c, chunk.data, chunk.size);
    if (done < 0) finish(c, 1);
    if (done < 1) return;
    c->sent = 0;
    rounds++;
  }
}

static void flood(double until) {
  struct epoll_event events[256];
  conns = calloc((size_t)o_conns, sizeof *conns);
  for (int n = 0; n < o_conns; n++) conns[n].number = n;
  while (now() < until) {
    double time = now();
    for (int n = 0; n < o_conns; n++) if (conns[n].phase == CLOSED && conns[n].again <= time) begin(&conns[n]);
    int count = epoll_wait(poller, events, 256, 10);
    for (int n = 0; n < count; n++) {
      conn *c = events[n].data.ptr;
      if (c->phase != CLOSED) step(c, events[n].events);
    }
  }
}

/* ---------- the control: a server that does nothing ---------- */

static void sink(double until) {
  struct epoll_event events[256];
  struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons(o_port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  static char buffer[65536], echoes[65536];
  int one = 1, listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
  setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
  if (bind(listener, (struct sockaddr *)&at, sizeof at) || listen(listener, 511)) die("port %d: %s", o_port, strerror(errno));
  struct epoll_event event = {.events = EPOLLIN, .data.fd = listener};
  epoll_ctl(poller, EPOLL_CTL_ADD, listener, &event);
  while (now() < until) {
    int count = epoll_wait(poller, events, 256, 100);
    for (int n = 0; n < count; n++) {
      int fd = events[n].data.fd;
      if (fd == listener) {
        int client = accept4(listener, NULL, NULL, SOCK_NONBLOCK);
        if (client < 0) continue;
        if (client >= (int)sizeof echoes) { close(client); continue; }
        echoes[client] = 0;
        struct epoll_event its = {.events = EPOLLIN, .data.fd = client};
        epoll_ctl(poller, EPOLL_CTL_ADD, client, &its);
        accepted++;
        continue;
      }
      ssize_t got = recv(fd, buffer, sizeof buffer, 0);
      if (got == 0 || (got < 0 && errno != EAGAIN)) { close(fd); ended++; continue; }
      if (got > 0 && buffer[0] == 'E') echoes[fd] = 1;
      if (got > 0 && echoes[fd] && send(fd, buffer, (size_t)got, MSG_NOSIGNAL) < 0) close(fd);
      if (got > 0) sent_bytes += (unsigned long long)got;
    }
  }
}

/* ---------- */

static void read_tickets(const char *path) {
  char line[2048];
  FILE *file = fopen(path, "r");
  if (!file) die("%s: %s", path, strerror(errno));
  while (ticket_count < MOST_TICKETS && fgets(line, sizeof line, file)) {
    line[strcspn(line, "\r\n")] = 0;
    if (*line) tickets[ticket_count++] = strdup(line);
  }
  fclose(file);
}

int main(int count, char **values) {
  const char *name = "";
  signal(SIGPIPE, SIG_IGN);
  for (int n = 1; n + 1 < count; n += 2) {
    const char *key = values[n], *value = values[n + 1];
    if (!strcmp(key, "--kind")) name = value;
    else if (!strcmp(key, "--port")) o_port = atoi(value);
    else if (!strcmp(key, "--conns")) o_conns = atoi(value);
    else if (!strcmp(key, "--secs")) o_secs = atoi(value);
    else if (!strcmp(key, "--path")) o_path = value;
    else if (!strcmp(key, "--realm")) o_realm = value;
    else if (!strcmp(key, "--tickets")) read_tickets(value);
    else die("unknown option %s", key);
  }
  for (size_t n = 0; n < sizeof KINDS / sizeof *KINDS; n++) if (!strcmp(KINDS[n].name, name)) wanted = &KINDS[n];
  if (!wanted) die("--kind: one of those that the first lines of flood.c name");
  if (o_port < 1 || o_port > 65535) die("--port: 1 to 65535");
  if (o_conns < 1 || o_conns > MOST_CONNS) die("--conns: 1 to %d", MOST_CONNS);
  if (o_secs < 1 || o_secs > MOST_SECS) die("--secs: 1 to %d", MOST_SECS);
  if (is("v1") && !ticket_count) die("v1 needs --tickets");
  if (is("tls")) {
    tls = SSL_CTX_new(TLS_client_method());
    SSL_CTX_set_verify(tls, SSL_VERIFY_NONE, NULL);
    SSL_CTX_set_session_cache_mode(tls, SSL_SESS_CACHE_OFF);
  }
  poller = epoll_create1(0);
  prepare();
  if (is("sink")) sink(now() + o_secs);
  else flood(now() + o_secs);
  printf("{\"kind\":\"%s\",\"conns\":%d,\"accepted\":%d,\"refused\":%d,\"ended\":%d,\"mb\":%.1f,\"rounds\":%llu}\n", name,
         o_conns, accepted, refused, ended, sent_bytes / 1e6, rounds);
  return 0;
}
