# Put a small file in place: PATH CONTENT MODE.
my ($path, $content, $mode) = @ARGV;
die "usage: write_file.pl PATH CONTENT MODE\n"
    unless @ARGV == 3 && $path =~ m{^/.*[^/]\z}s && $mode =~ /^0?[0-7]{3}\z/;
replace_file($path, $content, oct $mode);
