<?php
// Sessions of Oro's back office, written by PHP itself through session_start() and session_write_close(). JSON on standard input:
//   {"save": "files", "path": DIRECTORY, "mode": "0640"}          PHP's own files
//   {"save": "pdo", "dsn": ..., "user": ..., "password": ..., "relative": BOOL}   rows as Symfony's PdoSessionHandler writes them
//   {"save": "show"}                                              base64 by id, as JSON on standard output
// and "used": epoch of _sf2_meta, "lifetime": seconds, "sessions": {ID: {"id", "username", "password", "organization", "roles"} | null}.

require __DIR__ . '/oro_tokens.php';

use Oro\Bundle\OrganizationBundle\Entity\Organization;
use Oro\Bundle\SecurityBundle\Authentication\Token\UsernamePasswordOrganizationToken;
use Oro\Bundle\UserBundle\Entity\Role;
use Oro\Bundle\UserBundle\Entity\User;

class Rows implements SessionHandlerInterface
{
    public function __construct(private array $asked) { $this->pdo = new PDO($asked['dsn'], $asked['user'], $asked['password']); }
    private PDO $pdo;
    public function open(string $path, string $name): bool { return true; }
    public function close(): bool { return true; }
    public function read(string $id): string|false { return ''; }
    public function destroy(string $id): bool { return true; }
    public function gc(int $lifetime): int|false { return 0; }
    public function write(string $id, string $data): bool
    {
        $statement = $this->pdo->prepare('INSERT INTO oro_session (id, sess_data, sess_lifetime, sess_time) VALUES (?, ?, ?, ?)');
        $lifetime = $this->asked['lifetime'] + ($this->asked['relative'] ? 0 : $this->asked['used']);
        foreach ([$id, $data, $lifetime, $this->asked['used']] as $i => $value) {
            $statement->bindValue($i + 1, $value, [PDO::PARAM_STR, PDO::PARAM_LOB, PDO::PARAM_INT, PDO::PARAM_INT][$i]);
        }
        return $statement->execute();
    }
}

class Shown extends Rows
{
    public array $shown = [];
    public function __construct() {}
    public function write(string $id, string $data): bool { $this->shown[$id] = base64_encode($data); return true; }
}

$asked = json_decode(stream_get_contents(STDIN), true, 512, JSON_THROW_ON_ERROR);
$handler = match ($asked['save']) { 'files' => null, 'pdo' => new Rows($asked), 'show' => new Shown() };
if ($handler === null) session_save_path("0;{$asked['mode']};{$asked['path']}"); else session_set_save_handler($handler);
umask(0);
foreach ($asked['sessions'] as $id => $who) {
    $token = null;
    if ($who !== null) {
        $user = new User(Oro\written_user([0 => $who['password'], 2 => $who['username'], 5 => $who['id']]));
        $organization = $who['organization'] === null ? null : new Organization(['Acme, Inc', true, $who['organization']]);
        $roles = array_map(fn ($name) => new Role([5, $name, 'label']), $who['roles']);
        $token = new UsernamePasswordOrganizationToken(Oro\parts([null, 'main', Oro\state($user, $who['roles'])], $organization, $roles));
    }
    session_id((string) $id);
    session_start(['use_cookies' => 0, 'use_only_cookies' => 0, 'cache_limiter' => '', 'use_strict_mode' => 0]);
    $_SESSION = Oro\session($token);
    $_SESSION['_sf2_meta']['u'] = $asked['used'];
    if (!session_write_close()) exit(1);
}
if ($handler instanceof Shown) echo json_encode($handler->shown);
