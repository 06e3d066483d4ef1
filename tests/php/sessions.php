<?php
// Sessions as PHP writes them, each with PHP's own view of what it read back: one JSON object a line,
//   {"name", "session" (base64 of session_encode()), "view" (see walk())}.
// Run as: php -d session.serialize_handler=php sessions.php [seed]; php_binary and php_serialize likewise.

error_reporting(E_ALL & ~E_DEPRECATED);
ini_set('display_errors', 'stderr');
require __DIR__ . '/oro_tokens.php';

class Nowhere implements SessionHandlerInterface
{
    public function open(string $path, string $name): bool { return true; }
    public function close(): bool { return true; }
    public function read(string $id): string|false { return ''; }
    public function write(string $id, string $data): bool { return true; }
    public function destroy(string $id): bool { return true; }
    public function gc(int $lifetime): int|false { return 0; }
}

class Plain { public $a; protected $b = 'b'; private $c = 'c'; public function __construct($a = null) { $this->a = $a; } }
class Heir extends Plain { private $c = 'own'; public $deep; }
class Sleeper { public $kept = 1; protected $also = [2]; public $lost = 3; public function __sleep() { return ['kept', 'also']; } }
class Bag
{
    public function __construct(public array $data = []) {}
    public function __serialize(): array { return $this->data; }
    public function __unserialize(array $data): void { $this->data = $data; }
}
class Own implements Serializable // the old way: a format of its own, which is nearly always PHP's
{
    public function __construct(public $data = null) {}
    public function serialize() { return serialize($this->data); }
    public function unserialize($text) { $this->data = unserialize($text); }
}
class Opaque implements Serializable
{
    public function __construct(public $data = null) {}
    public function serialize() { return json_encode($this->data); }
    public function unserialize($text) { $this->data = json_decode($text, true); }
}
class Größe { public $größe = 'ß'; }
enum Suit: string { case Hearts = 'h'; case Spades = 's'; }
enum Bare { case One; case Two; }

// What was read, so that JSON can carry it. Arrays and objects are numbered in the order in which they are met;
// whoever is met again (an object, or an array behind a reference) is only called by its number.
class Walk
{
    private int $count = 0;
    private array $met = [];
    private array $kept = [];

    public function walk(mixed $value, ?string $reference): array
    {
        if (is_null($value)) return ['N'];
        if (is_bool($value)) return ['b', $value];
        if (is_int($value)) return ['i', (string) $value];
        if (is_float($value)) return ['d', is_nan($value) ? 'nan' : bin2hex(pack('E', $value))];
        if (is_string($value)) return ['s', base64_encode($value)];
        if ($value instanceof UnitEnum) return ['E', base64_encode($value::class), base64_encode($value->name)];
        $identity = is_object($value) ? 'o' . spl_object_id($value) : ($reference === null ? null : 'r' . $reference);
        if ($identity !== null && isset($this->met[$identity])) return ['again', $this->met[$identity]];
        $number = ++$this->count;
        if ($identity !== null) $this->met[$identity] = $number;
        if (is_array($value)) return ['a', $number, $this->entries($value)];
        $this->kept[] = $value;
        $class = base64_encode($value::class);
        if ($value instanceof Own || $value instanceof Oro\Own) return ['C', $number, $class, $this->walk($value->data, null)];
        if ($value instanceof Opaque) return ['P', $number, $class, base64_encode($value->serialize())];
        return ['O', $number, $class, $this->entries($this->properties($value), !method_exists($value, '__serialize'))];
    }

    // $names: they are names of properties, and PHP writes those as strings even where they are decimal.
    public function entries(array $array, bool $names = false): array
    {
        $entries = [];
        foreach (array_keys($array) as $key) {
            $reference = ReflectionReference::fromArrayElement($array, $key);
            $entries[] = [is_int($key) && !$names ? ['i', (string) $key] : ['s', base64_encode((string) $key)],
                $this->walk($array[$key], $reference === null ? null : bin2hex($reference->getId()))];
        }
        return $entries;
    }

    private function properties(object $value): array
    {
        if (method_exists($value, '__serialize')) return $value->__serialize();
        $all = get_mangled_object_vars($value);
        if (!method_exists($value, '__sleep')) return $all;
        $names = $value->__sleep();
        return array_filter($all, fn ($key) => in_array(preg_replace('/^\0.*\0/', '', $key), $names), ARRAY_FILTER_USE_KEY);
    }
}

function made_by_hand(): array
{
    $shared = new Plain('shared');
    $self = new Plain(); $self->a = $self;
    $ring = [1]; $ring['again'] = &$ring;
    $list = [1, 2, ['x' => null]]; $text = 'text'; $number = 7;
    $heir = new Heir(); $heir->deep = [$heir, $shared];
    $std = new stdClass(); $std->{'0'} = 'zero'; $std->{'a b'} = 1; $std->{'é'} = $std;
    $storage = new SplObjectStorage(); $storage[$shared] = ['data']; $storage[$self] = $shared;
    $deep = []; for ($i = 0; $i < 120; ++$i) $deep = [$deep, $i];
    $parent = new Plain(); for ($i = 0, $at = $parent; $i < 40; ++$i) { $at->a = new Plain($parent); $at = $at->a = new Heir($at->a); }
    $cases = [
        'nothing' => [],
        'null' => [null], 'booleans' => [true, false], 'empty things' => ['', [], new stdClass(), [[]]],
        'integers' => [0, -1, 1, PHP_INT_MAX, PHP_INT_MIN, 42],
        'floats' => [0.0, -0.0, 0.1, -1.5, 1e25, 1e-10, INF, -INF, NAN, PHP_FLOAT_MAX, PHP_FLOAT_MIN, 5e-324, 1 / 3, 100000.0, 1e15],
        'strings' => ['a', 'é', '日本語', "\0\1\2\xff\xfe", '";s:1:"x', '}{', 'a:1:{i:0;N;}', '|', "\r\n", str_repeat('x', 5000), '😀'],
        'every byte' => [implode('', array_map('chr', range(0, 255)))],
        'keys' => [5 => 'a', -5 => 'b', '7' => 'c', '07' => 'd', '-0' => 'e', '' => 'f', '9223372036854775807' => 'g',
            '9223372036854775808' => 'h', '-9223372036854775808' => 'i', ' 1' => 'j', '1.5' => 'k', "\0" => 'l', 'é' => 'm'],
        'an object twice' => [$shared, $shared, [$shared]],
        'an object in itself' => $self,
        'an array in itself' => $ring,
        'references to arrays' => [&$list, &$list, 'x' => &$list[2]],
        'references to scalars' => [&$text, &$text, $shared, &$number, $shared, &$number],
        'references to objects' => [&$shared, &$shared, $shared, [$shared]],
        'private and protected' => [new Plain(1), $heir],
        'odd names' => [$std, new Größe()],
        '__sleep' => [new Sleeper(), $shared, $shared],
        '__serialize' => [new Bag(), new Bag([1, 'k' => $shared, [2]]), $shared, new Bag([new Bag([$shared])])],
        '__serialize with references' => [new Bag([&$text, &$text, $shared, &$list, &$list]), $shared, &$list],
        'Serializable' => [new Own(), new Own(5), new Own([1, $shared, 'x']), $shared, new Own($shared), $shared],
        'Serializable in Serializable' => [new Own(new Own([$shared, new Own('x')])), $shared, new Own(new Bag([$shared])), $shared],
        'the same Serializable twice' => [$own = new Own([$shared, 2]), $own, $shared, $own],
        'opaque Serializable' => [$shared, new Own([new Opaque(['a' => 1])]), 'after' => 1.5, $shared, new Opaque('";}')],
        'enumerations' => [Suit::Hearts, Suit::Hearts, Bare::Two, $shared, Suit::Spades, $shared, [Bare::One]],
        'dates' => [new DateTime('2026-01-02 03:04:05.678901', new DateTimeZone('Europe/Kyiv')), new DateTimeImmutable('@0'),
            new DateTimeZone('+05:30'), $shared, $shared],
        'SplObjectStorage' => [$storage, $shared, $self],
        'SPL' => [new ArrayObject(['x' => $shared, 1]), new ArrayIterator([1, [2]]), $shared, SplFixedArray::fromArray([1, $shared])],
        'deep arrays' => $deep,
        'deep objects' => $parent,
        'a long list' => range(1, 3000),
        'rows' => array_map(fn ($i) => ['id' => $i, 'name' => "näme $i", 'on' => $i % 2 == 0, 'w' => $i / 8], range(1, 300)),
    ];
    $sessions = [];
    foreach ($cases as $name => $value) $sessions[$name] = ['_sf2_attributes' => ['x' => $value, 'y' => 1], 'after' => 'z'];
    $sessions['no keys'] = [];
    $sessions['shared by keys'] = ['a' => $shared, 'b' => [1, $shared], 'c' => 'x', 'd' => $shared, 'e' => new Own($shared), 'f' => $shared];
    $sessions['references between keys'] = ['a' => &$list, 'b' => &$list, 'c' => $shared, 'd' => &$text, 'e' => &$text, 'f' => $shared];
    $sessions['odd session keys'] = ['a b' => 1, 'é' => 2, '!x' => 3, ';' => 4, "n\0l" => 5, 'i:0;' => 6, '' => 7, str_repeat('k', 127) => 8];
    return $sessions;
}

function by_chance(int $depth, array &$objects): mixed
{
    $kind = mt_rand(0, $depth > 0 ? 19 : 9);
    $word = fn () => substr(str_shuffle("abcde \"';{}:|\0\xc3\xa9\xff0123456789"), 0, mt_rand(0, 12));
    $some = function () use ($depth, &$objects) {
        $array = [];
        for ($i = mt_rand(0, 5); $i > 0; --$i) $array[mt_rand(0, 1) ? mt_rand(-3, 90) : 'k' . mt_rand(0, 99)] = by_chance($depth - 1, $objects);
        if (count($array) > 1 && mt_rand(0, 3) == 0) { // two variables become one
            $keys = array_keys($array);
            $array[$keys[0]] = &$array[$keys[1]];
        }
        return $array;
    };
    switch ($kind) {
        case 0: return null;
        case 1: return mt_rand(0, 1) == 1;
        case 2: return mt_rand(-5, 5);
        case 3: return mt_rand() * 4294967296 + mt_rand();
        case 4: return [0.1, -2.5e-7, 1e300, -0.0, INF, NAN, 1 / 3][mt_rand(0, 6)];
        case 5: case 6: return $word();
        case 7: return [Suit::Hearts, Suit::Spades, Bare::One][mt_rand(0, 2)];
        case 8: case 9: return $objects ? $objects[array_rand($objects)] : 0;
        case 10: case 11: case 12: case 13: return $some();
        case 14: $o = new Plain(); $objects[] = $o; $o->a = by_chance($depth - 1, $objects); return $o;
        case 15: $o = new Heir(); $objects[] = $o; $o->deep = $some(); return $o;
        case 16: $o = new stdClass(); $objects[] = $o; foreach ($some() as $k => $v) $o->{"p$k"} = $v; return $o;
        case 17: $o = new Bag($some()); $objects[] = $o; return $o;
        case 18: $o = new Own($some()); $objects[] = $o; return $o;
        default: $o = new SplObjectStorage(); $objects[] = $o; $o[new Plain()] = by_chance($depth - 1, $objects); return $o;
    }
}

mt_srand((int) ($argv[1] ?? 1));
$sessions = made_by_hand() + Oro\sessions();
for ($i = 0; $i < 240; ++$i) {
    $objects = [];
    $session = [];
    for ($n = mt_rand(1, 4); $n > 0; --$n) $session["key$n"] = by_chance(5, $objects);
    $sessions["by chance $i"] = $session;
}

session_set_save_handler(new Nowhere());
session_id('oracle');
session_start();
$lines = [];
foreach ($sessions as $name => $session) {
    $_SESSION = [];
    foreach (array_keys($session) as $key) $_SESSION[$key] = &$session[$key];
    $bytes = session_encode();
    $_SESSION = [];
    session_decode($bytes);
    $lines[] = json_encode(['name' => $name, 'session' => base64_encode($bytes), 'view' => (new Walk())->entries($_SESSION)], 0, 2000);
}
echo implode("\n", $lines), "\n";
