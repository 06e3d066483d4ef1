<?php
/* What PHP's regular expressions match, in the frame that GosPubSubRouterBundle's compiler gives to requirements: an anchor
 * taken off each end, capturing groups made plain, then #^LITERAL(?P<v0>REQUIREMENT)LITERAL...$#sD.
 *
 *   echo '[{"literals":["a/",""],"requirements":["\\d+"],"topics":["a/1"]}]' | php requirements.php
 *
 * Prints for each the values in each topic: null where the topic does not match, false where PHP cannot compile. */

function plain(string $requirement): string
{
    $wanted = preg_replace('/\$\z/', '', preg_replace('/\A\^/', '', $requirement));
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
    return $plain;
}

$results = [];
foreach (json_decode(stream_get_contents(STDIN), true, 512, JSON_THROW_ON_ERROR) as $case) {
    $regex = preg_quote($case['literals'][0], '#');
    foreach ($case['requirements'] as $number => $requirement) {
        $regex .= "(?P<v$number>" . plain($requirement) . ')' . preg_quote($case['literals'][$number + 1], '#');
    }
    $values = [];
    foreach ($case['topics'] as $topic) {
        $done = @preg_match("#^$regex$#sD", $topic, $found);
        $named = array_filter($found ?? [], 'is_string', ARRAY_FILTER_USE_KEY);
        $values[] = $done === false ? false : ($done ? $named : null);
    }
    $results[] = $values;
}
echo json_encode($results, JSON_INVALID_UTF8_SUBSTITUTE), "\n";
