<?php
/* What PHP's regular expressions match, in the frame that GosPubSubRouterBundle's compiler gives a requirement: an anchor
 * taken off each end, capturing groups made plain, then #^PREFIX(?P<x>REQUIREMENT)SUFFIX$#sD.
 *
 *   echo '[{"requirement":"\\d+","prefix":"a/","suffix":"","topics":["a/1"]}]' | php requirements.php
 *
 * Prints for each the value of x in each topic: null where the topic does not match, false where PHP cannot compile. */

function framed(array $case): string
{
    $wanted = preg_replace('/\$\z/', '', preg_replace('/\A\^/', '', $case['requirement']));
    $plain = '';
    for ($at = 0, $end = strlen($wanted); $at < $end; $at++) {
        $plain .= $wanted[$at];
        if ($wanted[$at] === '\\') {
            $plain .= $wanted[++$at] ?? '';
        } elseif ($wanted[$at] === '(' && $at + 2 < $end) {
            $next = $wanted[$at + 1];
            $plain .= $next === '*' || $next === '?' ? $wanted[++$at] : '?:';
        }
    }
    return '#^' . preg_quote($case['prefix'], '#') . "(?P<x>$plain)" . preg_quote($case['suffix'], '#') . '$#sD';
}

$results = [];
foreach (json_decode(stream_get_contents(STDIN), true, 512, JSON_THROW_ON_ERROR) as $case) {
    $regex = framed($case);
    $values = [];
    foreach ($case['topics'] as $topic) {
        $done = @preg_match($regex, $topic, $found);
        $values[] = $done === false ? false : ($done ? $found['x'] : null);
    }
    $results[] = $values;
}
echo json_encode($results, JSON_INVALID_UTF8_SUBSTITUTE), "\n";
