<?php
/* A back end as Oro's PHP is one that publishes numbered events at a steady pace until its standard input ends: it
 * connects, publishes some, goes without a CLOSE frame, and connects again, also when that has failed.
 *
 *   php paced_publisher.php '{"host":"127.0.0.1","port":8081,"tls":false,"path":"/","secret":"...","topic":"...",
 *                             "per_connection":25,"pace":0.02,"publisher":"a"}'
 *
 * An event is {"publisher": ..., "connection": n from 1, "number": n from 1 in the connection, "time": CLOCK_MONOTONIC}.
 * Prints a JSON object: for each connection the times of its events, and errors. */

error_reporting(0); // what fails is in the result

require __DIR__ . '/wamp_client.php';

$job = json_decode($argv[1], true, 512, JSON_THROW_ON_ERROR);
stream_set_blocking(STDIN, false);
$result = ['connections' => [], 'errors' => []];
$stopped = function (): bool {
    fread(STDIN, 64);
    return feof(STDIN);
};
$publish = function ($socket, array $job, int $connection, int $number): ?float {
    $event = ['publisher' => $job['publisher'], 'connection' => $connection, 'number' => $number];
    $event['time'] = hrtime(true) / 1e9;
    $data = frame(json_encode([7, $job['topic'], $event, [], []]));
    $end = microtime(true) + 60;
    while ($data !== '') {
        $written = @fwrite($socket, $data);
        if ($written === false || microtime(true) > $end) {
            return null;
        }
        $data = substr($data, $written);
        if ($data !== '') {
            usleep(1000);
        }
    }
    return $event['time'];
};
while (!$stopped()) {
    try {
        $socket = connect($job);
    } catch (RuntimeException $error) {
        $result['errors'][] = $error->getMessage();
        usleep(200000);
        continue;
    }
    $times = [];
    $connection = count($result['connections']) + 1;
    for ($number = 1; $number <= $job['per_connection'] && !$stopped(); $number++) {
        $time = $publish($socket, $job, $connection, $number);
        if ($time === null) {
            $result['errors'][] = 'write';
            break;
        }
        $times[] = $time;
        usleep((int) ($job['pace'] * 1e6));
    }
    $result['connections'][] = $times;
    unset($socket);
}
echo json_encode($result), "\n";
