<?php
/* Runs a method of a class in a bundle, with what the class takes from Oro: a client that publishes, and the check
 * whether it is connected.
 *
 *   echo '{"file":".../OrderNotifier.php","class":"Acme\\...","method":"orderChanged","arguments":[1,"new"],
 *          "host":"127.0.0.1","port":8080,"tls":false,"path":"/ws","secret":"..."}' | php bundle.php
 *
 * Prints the topics that were published to, as a JSON array. */

namespace Oro\Bundle\SyncBundle\Client {
    interface WebsocketClientInterface
    {
        public function publish(string $topicUri, $payload, array $exclude = [], array $eligible = []): bool;
    }

    class ConnectionChecker
    {
        public function __construct(private array $job)
        {
        }

        public function checkConnection(): bool
        {
            return is_resource(\connect($this->job));
        }
    }
}

namespace {
    require __DIR__ . '/wamp_client.php';

    use Oro\Bundle\SyncBundle\Client\ConnectionChecker;
    use Oro\Bundle\SyncBundle\Client\WebsocketClientInterface;

    class Client implements WebsocketClientInterface
    {
        public array $published = [];
        private $socket = null;

        public function __construct(private array $job)
        {
        }

        public function publish(string $topicUri, $payload, array $exclude = [], array $eligible = []): bool
        {
            $this->socket ??= connect($this->job);
            $this->published[] = $topicUri;
            return fwrite($this->socket, frame(json_encode([7, $topicUri, $payload, $exclude, $eligible]))) > 0;
        }
    }

    $job = json_decode(stream_get_contents(STDIN), true, 512, JSON_THROW_ON_ERROR);
    require $job['file'];
    $client = new Client($job);
    $notifier = new $job['class']($client, new ConnectionChecker($job));
    $notifier->{$job['method']}(...$job['arguments']);
    echo json_encode($client->published), "\n";
}
