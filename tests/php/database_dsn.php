<?php
// What Doctrine makes of DSNs: a JSON list of them on standard input, a JSON list of their parameters (null: malformed) on
// standard output. Cut by parse_url, decoded part by part, the query's keys before all others.
$parameters = static function (string $dsn): ?array {
    $parts = parse_url($dsn);
    if ($parts === false) {
        return null;
    }
    $found = [
        'scheme' => $parts['scheme'] ?? '',
        'host' => rawurldecode($parts['host'] ?? ''),
        'port' => (string) ($parts['port'] ?? ''),
        'user' => rawurldecode($parts['user'] ?? ''),
        'password' => rawurldecode($parts['pass'] ?? ''),
        'dbname' => rawurldecode(substr($parts['path'] ?? '', 1)),
    ];
    parse_str($parts['query'] ?? '', $query);

    return array_merge($found, $query);
};
echo json_encode(array_map($parameters, json_decode(stream_get_contents(STDIN), true, flags: JSON_THROW_ON_ERROR)), JSON_INVALID_UTF8_SUBSTITUTE);
