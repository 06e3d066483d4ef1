<?php
// PHP's word on serialized values: base64 lines in; for each a line out, null where PHP refuses it, else its view (as sessions.php).
// No class exists for PHP here: every object is an incomplete one, which keeps its name and its properties.

error_reporting(0);

function entries(array $array, array &$met, int &$count, bool $names): array
{
    $entries = [];
    foreach (array_keys($array) as $key) {
        $reference = ReflectionReference::fromArrayElement($array, $key);
        $entries[] = [is_int($key) && !$names ? ['i', (string) $key] : ['s', base64_encode((string) $key)],
            walk($array[$key], $reference === null ? null : 'r' . $reference->getId(), $met, $count)];
    }
    return $entries;
}

function walk(mixed $value, ?string $reference, array &$met, int &$count): array
{
    if (is_null($value)) return ['N'];
    if (is_bool($value)) return ['b', $value];
    if (is_int($value)) return ['i', (string) $value];
    if (is_float($value)) return ['d', is_nan($value) ? 'nan' : bin2hex(pack('E', $value))];
    if (is_string($value)) return ['s', base64_encode($value)];
    $identity = is_object($value) ? 'o' . spl_object_id($value) : $reference;
    if ($identity !== null && isset($met[$identity])) return ['again', $met[$identity]];
    $number = ++$count;
    if ($identity !== null) $met[$identity] = $number;
    if (is_array($value)) return ['a', $number, entries($value, $met, $count, false)];
    $all = get_mangled_object_vars($value);
    $class = $all['__PHP_Incomplete_Class_Name'];
    unset($all['__PHP_Incomplete_Class_Name']);
    return ['O', $number, base64_encode($class), entries($all, $met, $count, true)];
}

while (($line = fgets(STDIN)) !== false) {
    $bytes = base64_decode(trim($line));
    $value = unserialize($bytes, ['allowed_classes' => false]);
    if ($value === false && $bytes !== 'b:0;') { echo "null\n"; continue; }
    $met = []; $count = 0;
    // Behind a variable of its own, so that the outermost array can be met again.
    $outer = [&$value];
    echo json_encode(entries($outer, $met, $count, false)[0][1], 0, 4000), "\n";
}
