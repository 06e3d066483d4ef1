<?php
/* A back end as Oro's PHP is one: it connects, reads WELCOME exactly as strictly as Oro's WampClient does, publishes, and
 * goes without a CLOSE frame. It never reads again after WELCOME.
 *
 *   echo '{"host":"127.0.0.1","port":8080,"tls":false,"path":"/ws","secret":"...","times":100,
 *          "topic":"oro/data/update","payload":[...],"per_connection":1}' | php publisher.php
 *
 * It does not wait for the network, as Oro's does not: of a message of megabytes the system may take a part only. With
 * "whole" the rest follows.
 *
 * Prints one JSON object: connected, published, errors, and the milliseconds of each successful handshake. */

$job = json_decode(stream_get_contents(STDIN), true, 512, JSON_THROW_ON_ERROR);

require __DIR__ . '/wamp_client.php';

$result = ['connected' => 0, 'published' => 0, 'errors' => [], 'handshakes' => []];
for ($n = 0; $n < $job['times']; $n++) {
    try {
        $began = hrtime(true);
        $socket = connect($job);
        $result['handshakes'][] = (hrtime(true) - $began) / 1e6;
        $result['connected']++;
        for ($k = 0; $k < ($job['per_connection'] ?? 1); $k++) {
            $payload = $job['payload'] ?? ['n' => $n, 'k' => $k];
            $frame = frame(json_encode([7, $job['topic'], $payload, [], []]));
            $written = fwrite($socket, $frame);
            if ($written > 0) {
                $result['published']++;
            }
            while (($job['whole'] ?? false) && $written !== false && $written < strlen($frame)) {
                usleep(1000);
                $some = fwrite($socket, substr($frame, $written));
                $written = $some === false ? false : $written + $some;
            }
        }
        if (isset($job['linger'])) {
            usleep((int) ($job['linger'] * 1e6));
        }
        unset($socket);
    } catch (RuntimeException $error) {
        $result['errors'][] = $error->getMessage();
    }
}
echo json_encode($result), "\n";
