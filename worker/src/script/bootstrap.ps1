# What a PowerShell step has before its own first line: the variables, and the functions that scripts know from Octopus.
param(
    [string]$LongshoreVariables,
    [string]$LongshoreScript,
    [string]$LongshoreStep,
    [string]$LongshoreMode
)

$ErrorActionPreference = 'Stop'
$ProgressPreference = 'SilentlyContinue'
$LongshoreUtf8 = New-Object System.Text.UTF8Encoding $false
[Console]::OutputEncoding = $LongshoreUtf8
$OutputEncoding = $LongshoreUtf8

# Names and values by turns, each ended by a NUL.
$OctopusParameters = New-Object 'System.Collections.Generic.Dictionary[string,string]' ([System.StringComparer]::OrdinalIgnoreCase)
$LongshoreTexts = [System.IO.File]::ReadAllText($LongshoreVariables, $LongshoreUtf8).Split([char]0)
for ($LongshoreAt = 0; $LongshoreAt + 1 -lt $LongshoreTexts.Length; $LongshoreAt += 2) {
    $OctopusParameters[$LongshoreTexts[$LongshoreAt]] = $LongshoreTexts[$LongshoreAt + 1]
}

# $Name for every variable whose name can be one, and is not PowerShell's own.
foreach ($LongshoreName in @($OctopusParameters.Keys)) {
    $LongshoreShort = $LongshoreName -replace '[^a-zA-Z0-9_]', ''
    if ($LongshoreShort -ne '' -and -not $LongshoreName.Contains('[') -and -not (Test-Path -LiteralPath "variable:$LongshoreShort")) {
        Set-Variable -Name $LongshoreShort -Value $OctopusParameters[$LongshoreName]
    }
}

# The side channel; where it cannot be had, messages go to standard output.
$LongshoreChannel = $null
try {
    $LongshoreHandle = New-Object Microsoft.Win32.SafeHandles.SafeFileHandle ([IntPtr]199), $false
    $LongshoreChannel = New-Object System.IO.FileStream $LongshoreHandle, ([System.IO.FileAccess]::Write), 1
} catch {
    $LongshoreChannel = $null
}

function Convert-ServiceMessageValue([string]$value) {
    return [System.Convert]::ToBase64String([System.Text.Encoding]::UTF8.GetBytes($value))
}

function Send-LongshoreMessage([string]$kind, [System.Collections.IDictionary]$attributes) {
    $text = "##octopus[$kind"
    foreach ($key in $attributes.Keys) {
        $text += " $key='$(Convert-ServiceMessageValue $attributes[$key])'"
    }
    $text += "]"
    if ($null -eq $LongshoreChannel) {
        Write-Host $text
        return
    }
    $bytes = [System.Text.Encoding]::UTF8.GetBytes("$text`n")
    $LongshoreChannel.Write($bytes, 0, $bytes.Length)
    $LongshoreChannel.Flush()
}

function Write-LongshoreLevel([string]$level, [string]$message) {
    Write-Host "##octopus[stdout-$level]`n$message`n##octopus[stdout-default]"
}

function Write-LongshoreForeign([string]$name) {
    Write-LongshoreLevel 'warning' "$name has no meaning in Longshore and was left out."
}

function Set-OctopusVariable([string]$name, [string]$value, [switch]$sensitive) {
    $attributes = [ordered]@{ name = $name; value = $value }
    if ($sensitive) {
        $attributes['sensitive'] = 'True'
    }
    Send-LongshoreMessage 'setVariable' $attributes
    $OctopusParameters[$name] = $value
    $OctopusParameters["Octopus.Action[$LongshoreStep].Output.$name"] = $value
}

function Fail-Step([string]$message) {
    if ($message) {
        Send-LongshoreMessage 'resultMessage' ([ordered]@{ message = $message })
        [Console]::Error.WriteLine($message)
    }
    exit 1
}

function Write-Verbose {
    [CmdletBinding()]
    param([Parameter(Position = 0, ValueFromPipeline = $true)][string]$Message)
    process { Write-LongshoreLevel 'verbose' $Message }
}

function Write-Debug {
    [CmdletBinding()]
    param([Parameter(Position = 0, ValueFromPipeline = $true)][string]$Message)
    process { Write-LongshoreLevel 'verbose' $Message }
}

function Write-Highlight {
    [CmdletBinding()]
    param([Parameter(Position = 0, ValueFromPipeline = $true)][string]$Message)
    process { Write-LongshoreLevel 'highlight' $Message }
}

function Write-Wait {
    [CmdletBinding()]
    param([Parameter(Position = 0, ValueFromPipeline = $true)][string]$Message)
    process { Write-LongshoreLevel 'wait' $Message }
}

function Write-Warning {
    [CmdletBinding()]
    param([Parameter(Position = 0, ValueFromPipeline = $true)][string]$Message)
    process { Write-LongshoreLevel 'warning' $Message }
}

function Update-Progress([int]$percentage, [string]$message) {
    Send-LongshoreMessage 'progress' ([ordered]@{ percentage = "$percentage"; message = $message })
}

# Taken when the script has ended.
function New-OctopusArtifact {
    [CmdletBinding()]
    param(
        [Parameter(Position = 0, Mandatory = $true, ValueFromPipeline = $true, ValueFromPipelineByPropertyName = $true)]
        [Alias('FullName')][string]$Path,
        [Parameter(Position = 1)][string]$Name
    )
    process {
        $attributes = [ordered]@{ path = $ExecutionContext.SessionState.Path.GetUnresolvedProviderPathFromPSPath($Path) }
        if ($Name) {
            $attributes['name'] = $Name
        }
        Send-LongshoreMessage 'createArtifact' $attributes
    }
}

function Execute-WithRetry([ScriptBlock]$command, [int]$maxFailures = 3, [int]$sleepBetweenFailures = 1) {
    for ($attempt = 1; ; $attempt++) {
        try {
            & $command
            return
        } catch {
            if ($attempt -ge $maxFailures) {
                throw
            }
            Write-Host "Attempt $attempt of $maxFailures failed: $($_.Exception.Message)"
            Start-Sleep -Seconds $sleepBetweenFailures
        }
    }
}

function Fail-HealthCheck([string]$message) { Fail-Step $message }
function Set-EnvironmentState { Write-LongshoreForeign 'Set-EnvironmentState' }
function Set-EnvironmentUrl { Write-LongshoreForeign 'Set-EnvironmentUrl' }
function New-OctopusTarget { Write-LongshoreForeign 'New-OctopusTarget' }
function Remove-OctopusTarget { Write-LongshoreForeign 'Remove-OctopusTarget' }
function New-OctopusAwsAccount { Write-LongshoreForeign 'New-OctopusAwsAccount' }
function Report-KubernetesManifest { Write-LongshoreForeign 'Report-KubernetesManifest' }
function Report-KubernetesManifestFile { Write-LongshoreForeign 'Report-KubernetesManifestFile' }

if ($LongshoreMode -eq 'strict') {
    # From PowerShell 7.4 on, a native command that fails is an error as any other.
    $PSNativeCommandUseErrorActionPreference = $true
}

# Script modules, which lie in the working folder.
foreach ($LongshoreName in @($OctopusParameters.Keys)) {
    if ($LongshoreName -match '^Octopus\.Script\.Module\[(.+)\]$') {
        $LongshoreModule = Join-Path (Get-Location) "$($Matches[1]).psm1"
        if (Test-Path -LiteralPath $LongshoreModule) {
            Import-Module -Name $LongshoreModule -Global -DisableNameChecking
        }
    }
}

$global:LASTEXITCODE = 0
try {
    . $LongshoreScript
} catch {
    [Console]::Error.WriteLine($_.ToString())
    [Console]::Error.WriteLine($_.InvocationInfo.PositionMessage)
    exit 1
}
exit $global:LASTEXITCODE
