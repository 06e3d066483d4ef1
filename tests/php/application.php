<?php
/* A back office as the Oro applications lay it out, for `php -S`: login, logout, a page with a WAMP v1 client, and the
 * ticket exchange. Sessions are PHP's own, in files. The environment has OFFICE, the path of a JSON file:
 *   {"prefix": "/admin", "cookie": "BAPID", "cookie_path": "/admin", "samesite": "Lax" | "", "sessions": DIRECTORY,
 *    "state_length": 5, "secret": ..., "socket": "//*:443/ws", "lock": FILE,
 *    "present": ["cookie", "ticket and cookie"],
 *    "users": {NAME: {"id": 1, "password": HASH, "organization": 1}}}
 * The page has a WAMP v1 client for each thing that one can present to the router. Unlike Oro's it connects again after
 * 0.3 s, and not after minutes. */

require __DIR__ . '/oro_tokens.php';

use Oro\Bundle\OrganizationBundle\Entity\Organization;
use Oro\Bundle\SecurityBundle\Authentication\Token\UsernamePasswordOrganizationToken;
use Oro\Bundle\UserBundle\Entity\Role;
use Oro\Bundle\UserBundle\Entity\User;

$office = json_decode(file_get_contents(getenv('OFFICE')), true, 512, JSON_THROW_ON_ERROR);
$secure = ($_SERVER['HTTP_X_FORWARDED_PROTO'] ?? '') === 'https';
$csrf = ($secure ? 'https-' : '') . '_csrf';
$path = parse_url($_SERVER['REQUEST_URI'], PHP_URL_PATH);
$route = substr($path, strlen($office['prefix']));
$routes = ['/', '/user/login', '/user/logout', '/sync/ticket'];
if (!str_starts_with($path, $office['prefix'] . '/') || !in_array($route, $routes, true)) {
    // Before the session: a request for the icon, at the same time as the login, must not replace its cookie.
    http_response_code(404);
    return;
}
if (file_exists($office['lock'])) {
    http_response_code(503);
    return;
}
session_name($office['cookie']);
session_save_path($office['sessions']);
$options = ['path' => $office['cookie_path'], 'secure' => $secure, 'httponly' => true];
session_set_cookie_params($office['samesite'] === '' ? $options : $options + ['samesite' => $office['samesite']]);
session_start(['gc_maxlifetime' => 7200, 'serialize_handler' => 'php', 'use_strict_mode' => 1]);
$name = null;
if (isset($_SESSION['_sf2_attributes']['_security_main'])) {
    // Whose login it is: the application's own business, so it stands beside the token here.
    $name = $_SESSION['_sf2_attributes']['office.user'];
    $_SESSION['_sf2_meta']['u'] = time();
}

function ticket(string $name, string $password, string $secret): string
{
    $nonce = substr(md5(random_bytes(16)), 0, 16);
    $created = date('c');
    $salted = $nonce . '|' . $created . '|' . $password . '{' . $secret . '}';
    $digest = hash('sha512', $salted, true);
    for ($i = 1; $i < 5000; $i++) {
        $digest = hash('sha512', $digest . $salted, true);
    }
    return base64_encode(base64_encode($digest) . ';' . $name . ';' . $nonce . ';' . $created);
}

function log_in(string $name, array $who, int $state_length): array
{
    $user = new User(Oro\written_user([0 => $who['password'], 2 => $name, 5 => $who['id']]));
    $organization = new Organization(['Acme, Inc', true, $who['organization']]);
    $state = Oro\state($user, ['ROLE_ADMINISTRATOR'], length: $state_length);
    $role = new Role([5, 'ROLE_ADMINISTRATOR', 'Administrator']);
    $session = Oro\session(new UsernamePasswordOrganizationToken(Oro\parts([null, 'main', $state], $organization, [$role])));
    $session['_sf2_attributes']['office.user'] = $name;
    $session['_sf2_meta'] = ['u' => time(), 'c' => time(), 'l' => 0];
    return $session;
}

switch ($route) {
    case '/user/login':
        if ($_SERVER['REQUEST_METHOD'] === 'POST') {
            session_regenerate_id(true);
            $_SESSION = log_in($_POST['_username'], $office['users'][$_POST['_username']], $office['state_length']);
            header('Location: ' . $office['prefix'] . '/');
            return;
        }
        echo '<!doctype html><title>Login</title><form method="post"><input name="_username"><button>Log in</button></form>';
        return;
    case '/user/logout':
        $_SESSION = [];
        session_regenerate_id(true);
        echo '<!doctype html><title>Logged out</title>';
        return;
    case '/sync/ticket':
        $token = $_COOKIE[$csrf] ?? '';
        if ($_SERVER['REQUEST_METHOD'] !== 'POST') {
            http_response_code(405);
        } elseif ($token === '' || $token !== ($_SERVER['HTTP_X_CSRF_HEADER'] ?? '')) {
            http_response_code(403);
        } elseif ($name === null) {
            http_response_code(401);
        } else {
            header('Content-Type: application/json');
            echo json_encode(['ticket' => ticket($name, $office['users'][$name]['password'], $office['secret'])]);
        }
        return;
    case '/':
        if ($name === null) {
            header('Location: ' . $office['prefix'] . '/user/login');
            return;
        }
        setcookie($csrf, bin2hex(random_bytes(16)), ['path' => '/', 'secure' => $secure, 'samesite' => 'Lax']);
        $own = 'oro/email_event/' . $office['users'][$name]['id'] . '/' . $office['users'][$name]['organization'];
        break;
}
$page = [
    'socket' => parse_url($office['socket']),
    'ticket' => $office['prefix'] . '/sync/ticket',
    'csrf' => $csrf,
    'present' => $office['present'],
    'topics' => ['oro/ping', 'oro/data/update', 'oro/maintenance', $own, 'oro/email_event/2/1'],
];
?>
<!doctype html><title>Dashboard</title>
<script>
const page = <?= json_encode($page) ?>;

class Client {
    state = {welcomes: 0, open: false, events: [], refused: [], ends: [], tickets: []};

    constructor(sendsTicket) {
        this.sendsTicket = sendsTicket;
        this.connect();
    }

    async connect() {
        const {host, port, path} = page.socket;
        const scheme = location.protocol === 'https:' ? 'wss' : 'ws';
        let url = `${scheme}://${host === '*' ? location.hostname : host}:${port}${path}`;
        if (this.sendsTicket) {
            const token = document.cookie.match(new RegExp(`(?:^|; )${page.csrf}=([^;]*)`))[1];
            const answer = await fetch(page.ticket, {method: 'POST', headers: {'X-CSRF-Header': token}}).catch(() => null);
            this.state.tickets.push(answer ? answer.status : 0);
            if (!answer?.ok) {
                setTimeout(() => this.connect(), 300);
                return;
            }
            url += `?ticket=${encodeURIComponent((await answer.json()).ticket)}`;
        }
        const socket = this.socket = new WebSocket(url, ['wamp']);
        socket.onmessage = ({data}) => this.received(data);
        socket.onclose = ({wasClean}) => {
            this.state.open = false;
            this.state.ends.push(wasClean);
            if (!wasClean) setTimeout(() => this.connect(), 300); // as Oro's page: a clean close is for good
        };
    }

    received(data) {
        if (!data.startsWith('[')) {
            this.state.refused.push(data);
            return;
        }
        const message = JSON.parse(data);
        if (message[0] === 0) {
            this.state.welcomes++;
            this.state.open = true;
            for (const topic of page.topics) this.socket.send(JSON.stringify([5, topic]));
        } else if (message[0] === 8) {
            this.state.events.push(message.slice(1));
        }
    }

    again() {
        this.socket.close();
        this.connect();
    }
}

const clients = {};
for (const what of page.present) clients[what] = new Client(what !== 'cookie');
</script>
