// A C# compiler's command line over the Roslyn assemblies: one argument a job file, one job argument a line.
// Prints every warning and error as FILE(LINE,COLUMN): …; exits with 1 where any job has one.
//   -name:NAME -out:FILE -exe -unsafe -r:FILE -nowarn:ID SOURCE…
using System;
using System.Collections.Generic;
using System.IO;
using System.Linq;
using System.Text;
using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.CSharp;
using Microsoft.CodeAnalysis.Text;

public static class MiniCsc
{
    private const string RuntimeConfig =
        "{\"runtimeOptions\":{\"tfm\":\"net8.0\",\"framework\":{" +
        "\"name\":\"Microsoft.NETCore.App\",\"version\":\"8.0.0\"}," +
        "\"configProperties\":{\"System.Globalization.Invariant\":true}}}";

    public static int Main(string[] jobs)
    {
        var framework = Framework();
        var failed = false;
        foreach (var job in jobs)
        {
            failed |= !Compile(File.ReadAllLines(job), framework);
        }
        return failed ? 1 : 0;
    }

    private static List<MetadataReference> Framework()
    {
        var found = new List<MetadataReference>();
        foreach (var file in Directory.GetFiles(Path.GetDirectoryName(typeof(object).Assembly.Location), "*.dll"))
        {
            try
            {
                System.Reflection.AssemblyName.GetAssemblyName(file);
                found.Add(MetadataReference.CreateFromFile(file));
            }
            catch (BadImageFormatException)
            {
            }
        }
        return found;
    }

    private static bool Compile(string[] lines, List<MetadataReference> framework)
    {
        string name = null, output = null;
        var kind = OutputKind.DynamicallyLinkedLibrary;
        var allowUnsafe = false;
        var references = new List<MetadataReference>(framework);
        var ignored = new Dictionary<string, ReportDiagnostic>
        {
            ["CS1701"] = ReportDiagnostic.Suppress, ["CS1702"] = ReportDiagnostic.Suppress,
        };
        var sources = new List<string>();
        foreach (var line in lines.Where(l => l.Length > 0))
        {
            if (line.StartsWith("-name:")) name = line.Substring(6);
            else if (line.StartsWith("-out:")) output = line.Substring(5);
            else if (line == "-exe") kind = OutputKind.ConsoleApplication;
            else if (line == "-unsafe") allowUnsafe = true;
            else if (line.StartsWith("-r:")) references.Add(MetadataReference.CreateFromFile(line.Substring(3)));
            else if (line.StartsWith("-nowarn:")) ignored[line.Substring(8)] = ReportDiagnostic.Suppress;
            else sources.Add(line);
        }
        var parse = new CSharpParseOptions(LanguageVersion.CSharp10);
        SourceText Text(string file) => SourceText.From(File.ReadAllText(file), Encoding.UTF8);
        var trees = sources.Select(f => CSharpSyntaxTree.ParseText(Text(f), parse, f));
        var options = new CSharpCompilationOptions(
            kind, optimizationLevel: OptimizationLevel.Release, allowUnsafe: allowUnsafe, deterministic: true,
            nullableContextOptions: NullableContextOptions.Enable, warningLevel: 6, specificDiagnosticOptions: ignored);
        var compilation = CSharpCompilation.Create(name, trees, references, options);
        var bytes = new MemoryStream();
        var result = compilation.Emit(bytes);
        var found = result.Diagnostics.Where(d => d.Severity >= DiagnosticSeverity.Warning).ToList();
        found.ForEach(d => Console.WriteLine(d.ToString()));
        if (found.Count > 0)
        {
            return false;
        }
        File.WriteAllBytes(output, bytes.ToArray());
        if (kind == OutputKind.ConsoleApplication)
        {
            File.WriteAllText(Path.ChangeExtension(output, ".runtimeconfig.json"), RuntimeConfig);
        }
        return true;
    }
}
