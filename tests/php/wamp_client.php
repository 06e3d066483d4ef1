<?php
/* A WAMP v1 client that connects as Oro's PHP does and reads WELCOME exactly as strictly as Oro's WampClient. */

function ticket(string $secret): string
{
    $nonce = substr(md5(random_bytes(16)), 0, 16);
    $created = date('c');
    $salted = $nonce . '|' . $created . '|' . $secret . '{' . $secret . '}';
    $digest = hash('sha512', $salted, true);
    for ($i = 1; $i < 5000; $i++) {
        $digest = hash('sha512', $digest . $salted, true);
    }
    return base64_encode(base64_encode($digest) . ';;' . $nonce . ';' . $created);
}

function frame(string $text): string
{
    $length = strlen($text);
    $head = chr(0x81);
    if ($length < 126) {
        $head .= chr(0x80 | $length);
    } elseif ($length < 65536) {
        $head .= chr(0x80 | 126) . pack('n', $length);
    } else {
        $head .= chr(0x80 | 127) . pack('J', $length);
    }
    $mask = random_bytes(4);
    return $head . $mask . ($text ^ str_repeat($mask, intdiv($length, 4) + 1));
}

/** Reads for at most one second and stops at the first empty read after any data. */
function read_burst($socket): string
{
    $data = '';
    $end = microtime(true) + 1.0;
    while (microtime(true) < $end) {
        $piece = fread($socket, 8192);
        if ($piece === '' || $piece === false) {
            if ($data !== '') {
                return $data;
            }
            usleep(500);
            continue;
        }
        $data .= $piece;
    }
    return $data;
}

function connect(array $job)
{
    $context = stream_context_create(['ssl' => ['verify_peer' => false, 'verify_peer_name' => false]]);
    $target = ($job['tls'] ? 'ssl' : 'tcp') . '://' . $job['host'] . ':' . $job['port'];
    $socket = stream_socket_client($target, $number, $message, 5, STREAM_CLIENT_CONNECT, $context);
    if ($socket === false) {
        throw new RuntimeException("connect: $message");
    }
    $host = $job['host'] . ':' . $job['port'];
    $query = http_build_query(['ticket' => ticket($job['secret'])]);
    fwrite($socket, "GET {$job['path']}?$query HTTP/1.1\r\nHost: $host\r\nPragma: no-cache\r\nCache-Control: no-cache\r\n"
        . "Upgrade: WebSocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: " . base64_encode(random_bytes(16)) . "\r\n"
        . "Sec-WebSocket-Protocol: wamp\r\nSec-WebSocket-Version: 13\r\nOrigin: 127.0.0.1\r\n\r\n");
    stream_set_blocking($socket, false);
    $answer = read_burst($socket);
    if (substr($answer, 0, 12) !== 'HTTP/1.1 101') {
        throw new RuntimeException('Expected "HTTP/1.1 101", got "' . substr($answer, 0, 12) . '"');
    }
    $start = strpos($answer, '[');
    $stop = strpos($answer, ']');
    if ($start === false || $stop === false) {
        throw new RuntimeException('Could not extract response body from stream.');
    }
    $welcome = json_decode(substr($answer, $start, $stop));
    if (!is_array($welcome) || $welcome[0] != 0 || !is_string($welcome[1])) {
        throw new RuntimeException('not connected: no WELCOME in what was read');
    }
    return $socket;
}
